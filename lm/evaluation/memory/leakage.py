"""How many items of benchmarks stand in the training corpus, and what those score beside the others."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm.config.faults import errors_at
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.intervals import estimate
from lm.evaluation.items import Item
from lm.evaluation.memory.leakage_table import leakage_table
from lm.evaluation.memory.training_corpora import TrainingCorpora
from lm.evaluation.metrics import Metric
from lm.evaluation.task import NOTHING, Task
from lm.files import hash_json
from lm.model import Transformer
from lm.progress import bar
from lm.tokenizer import Tokenizer

PARTS = ("question", "answer", "both")


@dataclass(frozen=True)
class Searched:
    """The texts of an item that are searched.

    Args:
        question: The texts that its prompt is made of.
        answer: Its right answer.
    """

    question: tuple[str, ...]
    answer: str


class Leakage(Evaluation):
    """Search the training corpora for the items of benchmarks, and compare the scores of those found and of the others.

    The texts of a question are the item's fields that its prompt names, so that the words of the template do not
    count. A question or an answer is found if a document has `index.ngram` words in a row in common with it, case and
    punctuation ignored; both are found if one document also has the whole answer, of which a single character does not
    count. This is the index that the filter `decontaminate` drops documents by. It finds copies, no rewording.

    Args:
        tasks: Benchmarks by name.
        training: The corpora that the model was trained on.
        index: Makes the index of the texts of all items, as `lm.filter.text.item_index.ItemIndex`.
        model: What stands for `model` in the YAML of the benchmarks: `path` is the run whose template they use.
    """

    def __init__(
        self,
        tasks: Mapping[str, Evaluation],
        training: TrainingCorpora,
        *,
        index: Callable[..., Any],
        model: Mapping[str, str | None] | None = None,
    ):
        if not tasks:
            raise ValueError(
                "evaluation.tasks names no benchmark to search for: add +evaluation@evaluation.tasks=[hellaswag] "
                "evaluation.tasks.hellaswag.path=FILE"
            )
        if wrong := [name for name, each in tasks.items() if not isinstance(each, Task)]:
            raise ValueError(f"evaluation.tasks.{wrong[0]} has no items to search for: name benchmarks")
        self.tasks: Mapping[str, Task] = tasks
        self.training, self.index, self.model = training, index, model

    def fingerprint(self) -> str:
        found = [self.training.fingerprint()]
        for name, task in self.tasks.items():
            with errors_at(f"evaluation.tasks.{name}", task):
                found.append(task.fingerprint())
        return hash_json(found)

    def check(self) -> None:
        for name, task in self.tasks.items():
            with errors_at(f"evaluation.tasks.{name}", task):
                task.check()

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """Return shares and scores by benchmark; `items` has the documents in which each item was found."""
        items = {name: task.items() for name, task in self.tasks.items()}
        texts = [_texts(task, item) for name, task in self.tasks.items() for item in items[name]]
        index = self.index([part for each in texts for part in (each.question, (each.answer,))])
        found, documents = self._found(index, texts, tokenizer)
        searched = {*index.searched}
        results, records, first = {}, [], 0
        for name, task in self.tasks.items():
            numbers = range(first, first + len(items[name]))
            first += len(items[name])
            with errors_at(f"evaluation.tasks.{name}", task):
                scores = task(model, tokenizer)
            able = [[2 * number in searched, 2 * number + 1 in searched] for number in numbers]
            here = [found[number] for number in numbers]
            results[name] = _compared(scores, task.question.metrics[task.main], here, able)
            records += [
                {**record, "task": name, "found": each}
                for record, each in zip(scores["items"], here, strict=True)
                if any(each.values())
            ]
        return {"documents": documents, "common": index.common, "tasks": results, "items": records}

    def table(self, results: dict[str, Any]) -> str:
        return leakage_table(results)

    def _found(
        self, index: Any, texts: Sequence[Searched], tokenizer: Tokenizer
    ) -> tuple[list[dict[str, str | None]], int]:
        """The first document, by part of each item, that it was found in; and the number of documents searched."""
        found: list[dict[str, str | None]] = [dict.fromkeys(PARTS) for _ in texts]
        answers = [_phrase(index.words(each.answer)) if len(each.answer.strip()) > 1 else None for each in texts]
        shards = [*self.training.shards(tokenizer=tokenizer).values()]
        streams = [stream for each in shards for stream in each.streams.values()]
        total = sum(stream.documents for stream in streams)
        with bar(total, label="evaluate", unit="documents") as progress:
            for stream in streams:
                for number in range(stream.documents):
                    words = index.words(tokenizer.decode(stream.document(number).tolist()))
                    hits = {item for item, _, _ in index.find(words)}
                    phrase = _phrase(words) if hits else b""
                    for hit in hits:
                        item, part = divmod(hit, 2)
                        found[item][PARTS[part]] = found[item][PARTS[part]] or stream.ids[number]
                        if part == 0 and answers[item] is not None and answers[item] in phrase:
                            found[item]["both"] = found[item]["both"] or stream.ids[number]
                    progress.update(1)
        return found, total


def _texts(task: Task, item: Item) -> Searched:
    return Searched(tuple(task.question.asked_fields(item)), task.question.example(item)[1])


def _phrase(words: Iterable[bytes]) -> bytes | None:
    """Words with blanks around each, so that a phrase is found as whole words; None without any."""
    joined = b" ".join(words)
    return b" " + joined + b" " if joined else None


def _compared(
    scores: Mapping[str, Any],
    metric: Metric,
    found: Sequence[Mapping[str, str | None]],
    able: Sequence[Sequence[bool]],
) -> dict[str, Any]:
    """Shares of items found, of those that can be searched, and the main metric of those found and of the others."""
    records = scores["items"]
    clusters = [each["cluster"] for each in records] if records and "cluster" in records[0] else None
    values = [each["values"][scores["main"]] for each in records]
    overlapping = [any(each.values()) for each in found]
    searchable = [any(each) for each in able]
    parts = {"question": [each[0] for each in able], "answer": [each[1] for each in able]}
    parts |= {"both": parts["question"], "either": searchable}
    shares = {}
    for name, can in parts.items():
        there = overlapping if name == "either" else [each[name] is not None for each in found]
        shares[name] = _share(there, [place for place, each in enumerate(can) if each], clusters)
    groups = {
        "overlapping": [place for place, each in enumerate(overlapping) if each],
        "clean": [place for place, each in enumerate(overlapping) if not each and searchable[place]],
        "not searched": [place for place, each in enumerate(searchable) if not each],
        "all": range(len(records)),
    }
    return {
        "items": len(records),
        "main": scores["main"],
        "found": shares,
        "scores": {name: _score(metric, values, places, clusters) for name, places in groups.items() if len(places)},
        "spanning": scores["spanning"],
    }


def _share(found: Sequence[bool], places: Sequence[int], clusters: Sequence[Hashable] | None) -> dict[str, Any] | None:
    """The share found of the items in some places; None without any."""
    if not places:
        return None
    within = None if clusters is None else [clusters[place] for place in places]
    made = estimate([float(found[place]) for place in places], share=True, clusters=within)
    return {"value": made.value, "interval": [*made.interval], "count": made.count}


def _score(
    metric: Metric,
    values: Sequence[float | None],
    places: Iterable[int],
    clusters: Sequence[Hashable] | None,
) -> dict[str, Any]:
    """The mean of the metric over the items in some places, ties left out, with its interval."""
    chosen = [place for place in places if values[place] is not None]
    within = None if clusters is None else [clusters[place] for place in chosen]
    made = estimate([values[place] for place in chosen], share=metric.share, clusters=within) if chosen else NOTHING
    low, high = made.interval
    return {
        "value": metric.shown(made.value),
        "interval": [metric.shown(low), metric.shown(high)],
        "count": made.count,
        "share": metric.share,
    }
