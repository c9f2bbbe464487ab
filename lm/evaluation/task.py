"""A benchmark: items from a file, a question about each, and the mean of its metrics with intervals and baselines."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.bounds import Count
from lm.conversation import RecordedTemplate, Template
from lm.conversation.recorded_template import has_recorded_template
from lm.evaluation.bias import Overall, Row, with_intervals
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.field_template import FieldTemplate
from lm.evaluation.intervals import Estimate, estimate
from lm.evaluation.items import Item, ItemReader
from lm.evaluation.metrics import Metric
from lm.evaluation.prompter import Layout, Prompter
from lm.evaluation.question import Answered, Asked, Asking, Question
from lm.evaluation.scorer import Scorer
from lm.evaluation.shots import Shots
from lm.evaluation.task_table import task_table
from lm.files import hash_json
from lm.generation import Generator
from lm.model import Transformer
from lm.tokenizer import Tokenizer


class Task(Evaluation):
    """Put a question about each item of a file, and average what comes of it.

    Args:
        path: The items: a file, a pattern, a folder of files, a list of these, or the id of a hub data set.
        reader: How they are read.
        question: What is asked about each.
        layout: How prompts, examples and answers are put together.
        shots: The examples before each question.
        main: Metric that stands for the task in means over several tasks and in comparisons.
        overall: Name → numbers that follow from all items together, such as scores of bias.
        groups: Name → template, by whose text scores are listed apart, as {phenomenon: "{{ linguistics_term }}"}.
        by_group: Metrics that are listed apart besides the main one.
        cluster: Template whose equal texts mark items that are not independent, such as questions about one passage;
            intervals take account of it. null: all items are independent.
        title: Name of the benchmark at the head of its table; "" for none.
        max_items: Maximum number of items, evenly spaced over all; null asks all.
        chat: Whether prompts are user's turns of a chat template. null: if the model was trained with one.
        template: The chat template; null takes the recorded one.
        recorded: The template that the model's run recorded.
        batch_tokens: Maximum number of tokens of a forward pass that scores; changes speed and memory.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        reader: ItemReader,
        question: Question,
        layout: Layout,
        shots: Shots,
        main: str,
        overall: Mapping[str, Overall] | None = None,
        groups: Mapping[str, str] | None = None,
        by_group: Sequence[str] = (),
        cluster: str | None = None,
        title: str = "",
        max_items: Count | None = None,
        chat: bool | None = None,
        template: Template | None = None,
        recorded: RecordedTemplate | None = None,
        batch_tokens: Count = 4096,
    ):
        if main not in question.metrics:
            raise ValueError(f"evaluation.main={main}: the metrics are {', '.join(question.metrics)}")
        self.by_group = [name for name in by_group if name in question.metrics and name != main]
        self.path, self.reader, self.question, self.layout, self.shots = path, reader, question, layout, shots
        self.main, self.title, self.max_items, self.batch_tokens = main, title, max_items, batch_tokens
        self.overall = overall or {}
        self.groups = {
            name: FieldTemplate(each, key=f"evaluation.groups.{name}") for name, each in (groups or {}).items()
        }
        self.cluster = None if cluster is None else FieldTemplate(cluster, key="evaluation.cluster")
        recorded = recorded or RecordedTemplate(None)
        trained = recorded.file is not None and has_recorded_template(recorded.file.parent)
        self.template = recorded.resolve(template) if (trained if chat is None else chat) else None

    def fingerprint(self) -> str:
        shots = None if self.shots.path is None else self.reader.records(self.shots.path, key=SHOTS).identity()
        chat = None if self.template is None else self.template.describe()
        own = self.question.identity()
        return hash_json([self.reader.records(self.path, key=PATH).identity(), shots, chat, *([own] if own else [])])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """Return the scores; `items` has what came of each item, for the record beside them."""
        items = self.items()
        groups = {name: [template.text(item) for item in items] for name, template in self.groups.items()}
        clusters = None if self.cluster is None else [self.cluster.text(item) for item in items]
        prompter = Prompter(tokenizer, layout=self.layout, template=self.template)
        scorer = Scorer(model, batch_tokens=self.batch_tokens)
        asking = Asking(scorer, Generator(model, tokenizer), prompter)
        answered = self.question.ask(self._asked(items), asking)
        scores = {
            "title": self.title,
            "count": len(items),
            "shots": self.shots.count,
            "template": None if self.template is None else self.template.describe().get("_target_"),
            "main": self.main,
            "spanning": sum(each.spanning for each in answered),
            "cut": sum(each.cut for each in answered),
            "clusters": None if clusters is None else len({*clusters}),
            "metrics": {
                name: found for name in self.question.metrics if (found := self._summary(name, answered, clusters))
            },
            "overall": self._overall(items, answered),
            "groups": {name: self._by_group(self.main, names, answered, clusters) for name, names in groups.items()},
            "grouped": {
                metric: {name: self._by_group(metric, names, answered, clusters) for name, names in groups.items()}
                for metric in self.by_group
            },
            "notes": [*self.reader.notes, *self.question.notes(answered)],
        }
        return scores | {"items": self._records(items, answered, groups, clusters)}

    def check(self) -> None:
        for item in self.items():
            self.question.check(item)
            for template in (*self.groups.values(), *filter(None, [self.cluster])):
                template.text(item)

    def table(self, results: dict[str, Any]) -> str:
        return task_table(results)

    def items(self) -> list[Item]:
        """Return the items that are asked, in order."""
        items = [*self.reader.read(self.path, key=PATH)]
        if not items:
            raise ValueError(f"{PATH}: {self.path} has no items")
        count = min(self.max_items or len(items), len(items))
        return [items[number * len(items) // count] for number in range(count)]

    def _asked(self, items: Sequence[Item]) -> list[Asked]:
        if not self.shots.count:
            return [Asked(item) for item in items]
        pool = [*self.reader.read(self.path if self.shots.path is None else self.shots.path, key=SHOTS)]
        drawn = [self.shots.draw(item, pool) for item in items]
        return [
            Asked(item, tuple(self.question.example(each) for each in chosen))
            for item, chosen in zip(items, drawn, strict=True)
        ]

    def _overall(self, items: Sequence[Item], answered: Sequence[Answered]) -> dict[str, Any]:
        rows = [Row(item, each) for item, each in zip(items, answered, strict=True)]
        return {name: found for each in self.overall.values() for name, found in with_intervals(each, rows).items()}

    def _summary(
        self, name: str, answered: Sequence[Answered], clusters: Sequence[Hashable] | None
    ) -> dict[str, Any] | None:
        """The mean of a metric; None where it is optional and no item has a value."""
        metric = self.question.metrics[name]
        if metric.optional and all(each.values[name] is None for each in answered):
            return None
        return summary(metric, name, answered, clusters)

    def _by_group(
        self, metric: str, names: Sequence[str], answered: Sequence[Answered], clusters: Sequence[Hashable] | None
    ) -> dict[str, Any]:
        """A metric of each group."""
        found = {}
        for group in sorted({*names}):
            places = [place for place, name in enumerate(names) if name == group]
            within = None if clusters is None else [clusters[place] for place in places]
            found[group] = self._summary(metric, [answered[place] for place in places], within)
        return {group: each for group, each in found.items() if each is not None}

    def _records(
        self,
        items: Sequence[Item],
        answered: Sequence[Answered],
        groups: Mapping[str, Sequence[str]],
        clusters: Sequence[str] | None,
    ) -> list[dict[str, Any]]:
        """One record an item, in their order; `id` pairs them with those of another model."""
        seen: Counter[str] = Counter()
        records = []
        for place, (item, each) in enumerate(zip(items, answered, strict=True)):
            seen[item.id] += 1
            number = seen[item.id]
            record = {"id": item.id if number == 1 else f"{item.id}-{number}", "place": _short(item.place)}
            record |= {"values": dict(each.values), **each.shown}
            record |= {"spanning": each.spanning} if each.spanning else {}
            record |= {"groups": {name: names[place] for name, names in groups.items()}} if groups else {}
            record |= {} if clusters is None else {"cluster": clusters[place]}
            records.append(record)
        return records


PATH, SHOTS = "evaluation.path", "evaluation.shots.path"
NOTHING = Estimate(0.5, (0.0, 1.0), 0.0, 0)  # of items that are all ties


def summary(
    metric: Metric, name: str, answered: Sequence[Answered], clusters: Sequence[Hashable] | None
) -> dict[str, Any]:
    """The mean of a metric, its interval, and, where it is a share of right answers, what chance and a constant get."""
    valued = [place for place, each in enumerate(answered) if each.values[name] is not None]
    within = None if clusters is None else [clusters[place] for place in valued]
    values = [answered[place].values[name] for place in valued]
    found = estimate(values, share=metric.share, clusters=within) if values else NOTHING
    low, high = found.interval
    chances = [each.chance for each in answered if each.chance is not None]
    choices = metric.share and len(chances) == len(answered)
    labels = Counter(each.label for each in answered if each.label is not None)
    several = metric.share and len(labels) > 1  # where all have one label, it says nothing, as in minimal pairs
    constant = max(labels.values()) / len(answered) if several else None
    chance = sum(chances) / len(chances) if choices else None
    return {
        "value": metric.shown(found.value),
        "interval": [metric.shown(low), metric.shown(high)],
        "stderr": found.stderr,
        "count": found.count,
        "units": found.count if within is None else len({*within}),
        "ties": 0 if metric.optional else len(answered) - len(valued),
        "share": metric.share,
        "chance": chance,
        "majority": constant,
        "centred": _centred(found.value, chance or 0.0) if metric.share and metric.right else None,
    }


def _centred(value: float, chance: float) -> float | None:
    """A score on the scale on which chance is 0 and all right is 1."""
    return None if chance == 1 else (value - chance) / (1 - chance)


def _short(place: str) -> str:
    """A place without the folders of its file, which differ between machines."""
    return Path(place).name
