"""Rows of pairs and of labelled answers: the data of alignment by preferences."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np

from lm.batch import LabelledBatch, PreferenceBatch
from lm.bounds import Count, Natural, Positive
from lm.config.faults import notes_at
from lm.conversation import RecordedTemplate, Template
from lm.conversation.preference import Judged, LabelledAnswer, PreferencePair
from lm.conversation.sources.preference_source import PreferenceSource
from lm.corpus import Split
from lm.data.conversations import SelectedConversations
from lm.data.encoded_answers import EncodedAnswers
from lm.data.mixing import Mixing
from lm.data.mixture import Mixture, resolve_sources
from lm.data.module import TrainingData
from lm.data.packing import Packing
from lm.data.preference_rows import JudgedRows
from lm.data.row_source import RowEstimate, RowSource, evenly_chosen, evenly_spaced
from lm.data.rows import Rows
from lm.data.tasks import frequent_tasks
from lm.files import hash_json
from lm.tokenizer import Tokenizer

SAMPLE = 256  # pairs of a source that are encoded to estimate a run
PROMPTS = 4  # held-out questions that a run may show replies to


class PreferenceData(TrainingData):
    """Packed rows of pairs of which one side is preferred, or of single answers with a label.

    A row is twice as wide as the context, so both sides of a pair stand in one row, each as long as the context at
    most. Validation measures held-out prompts; no prompt is on both sides of the split, nor a prompt and its
    continuation. What is dropped is printed by reason with the first place, and counted in the manifest's `left_out`.

    Args:
        preferences: A source of pairs or of labelled answers, or several of one kind by the names that a mixture uses.
        template: How conversations are written as tokens; null takes the template that the model was tuned with, or
            else `RoleTokenTemplate`.
        split: Which prompts are held out, by their group or else by the system text and the first question.
        packing: How pairs are placed in rows; it must keep them whole, as `best_fit` and `exact_fit` do.
        too_long: What to do with a pair of which a side is longer than the context: drop it, or refuse the run. It is
            never cut.
        invalid: What to do with a pair that nothing can be learned from: sides that are the same, empty, cut off or of
            different prompts. Drop it, which is counted by reason, or refuse the run. If more than half are invalid,
            the run is refused.
        duplicates: What to do with a pair that stands in the data a second time: drop it, or keep it.
        mixture: Share of each source, counted in pairs; null shuffles all rows together, each read once per epoch.
        max_examples: Pairs of a source to train on, at most, for all or by name; null for all. Which ones is decided by
            a hash of their prompt.
        max_epochs: Maximum epochs of a source, for all or by name; null for no limit. Preferences are learned by heart
            soon: more than three epochs rarely help (Rafailov et al. 2023 and Tunstall et al. 2023 use one to three).
        excess: What to do if the budget exceeds max_epochs: refuse the run, or redistribute the excess to the other
            sources of a mixture.
        max_tasks: Tasks that validation reports, if there are several, the most frequent ones; the others are reported
            as "other". null for all.
        validation_rows: Held-out rows measured while training, evenly spaced; null for all.
        max_rows: Rows of a source to train on, at most, evenly spaced; null for all.
        workers: Processes that read rows ahead of training, per rank; 0 reads them in the training process.
        recorded: The template that the model's run recorded, if any.
    """

    def __init__(
        self,
        preferences: PreferenceSource | dict[str, PreferenceSource],
        *,
        template: Template | None = None,
        split: Split,
        packing: Callable[..., Packing],
        too_long: Literal["refuse", "drop"] = "drop",
        invalid: Literal["refuse", "drop"] = "drop",
        duplicates: Literal["drop", "keep"] = "drop",
        mixture: Mixture | None = None,
        max_examples: Count | dict[str, Count] | None = None,
        max_epochs: Positive | dict[str, Positive] | None = None,
        excess: Literal["refuse", "redistribute"] = "refuse",
        max_tasks: Count | None = 20,
        validation_rows: Natural | None = 256,
        max_rows: Count | None = None,
        workers: Natural = 0,
        recorded: RecordedTemplate | None = None,
    ):
        super().__init__(workers=workers)
        if not preferences:
            raise ValueError("data.preferences is empty: +data/preferences@data.preferences.NAME=OPTION adds one")
        self.several = isinstance(preferences, dict)
        self.preferences = preferences if self.several else {"preferences": preferences}
        recorded = recorded or RecordedTemplate(None)
        self.template, self.check_tuned = recorded.resolve(template), partial(recorded.check_tuned, template)
        self.split, self.packing, self.too_long, self.invalid = split, packing, too_long, invalid
        self.duplicates, self.mixing = duplicates, Mixing(mixture, max_epochs, excess)
        self.max_tasks, self.validation_rows, self.max_rows = max_tasks, validation_rows, max_rows
        self.max_examples = self._resolve_max_examples(max_examples)

    def row_tokens(self, context: int) -> int:
        return 2 * context

    def fingerprint(self) -> str:
        return hash_json({name: source.fingerprint() for name, source in self.preferences.items()})

    def open(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        self.check_tuned()
        held_out, first = self._encoder(tokenizer, context), 0
        sources: dict[str, RowSource] = {}
        left_out, notes, questions, kinds = {}, [], [], {}
        for name in self.preferences:
            training, before = self._encoder(tokenizer, context), len(held_out)
            selected = self._selected(name)
            for judged in self._judged(selected, kinds, name):
                is_held_out = self.split.held_out(judged)
                (held_out if is_held_out else training).add(judged, task=judged.task or name)
                if is_held_out and (opening := judged.sides[0].messages[0]).role == "user":
                    questions.append(opening.content)
            held_out_here = len(held_out) - before
            if not len(training):
                raise ValueError(
                    f"data.preferences: {name} has nothing to train on ({held_out_here} are held out; "
                    f"{training.describe_dropped() or 'none is too long'}): use a model with a longer context, or "
                    "other data"
                )
            rows = self._rows(training, first=first)
            first += len(training)
            sources[name] = evenly_spaced(rows, self.max_rows)
            notes.append(_describe(name, training, rows, held_out=held_out_here))
            notes += self._notes(name, selected)
            left_out[name] = {"too long": training.dropped, "other": sum(selected.left_out.values())}
        left_out["held out"] = {"too long": held_out.dropped}
        if dropped := held_out.describe_dropped():
            notes.append(f"held out: {dropped}")
        tasks = frequent_tasks(held_out.tasks, self.max_tasks)
        reported = sorted(set(tasks)) if len(set(tasks)) > 1 else []
        return Rows(
            sources=sources,
            tokenizer=tokenizer,
            validation=self._validation(held_out, tasks, reported),
            kinds=reported,
            template=self.template,
            mixing=self.mixing,
            prompts=evenly_chosen([*dict.fromkeys(questions)], PROMPTS),
            notes=notes,
            left_out=left_out,
        )

    def sketch(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        self.check_tuned()
        sources, notes, kinds = {}, [], {}
        held_out, tasks = self._encoder(tokenizer, context), []
        for name in self.preferences:
            count, sample = 0, self._encoder(tokenizer, context)
            selected = self._selected(name)
            for judged in self._judged(selected, kinds, name):
                if self.split.held_out(judged):
                    tasks.append(judged.task or name)
                    if len(tasks) <= SAMPLE:
                        held_out.add(judged, task=tasks[-1])
                else:
                    count += 1
                    if count <= SAMPLE:
                        sample.add(judged, task=name)
            notes += self._notes(name, selected)
            sources[name] = self._estimate(sample, count)
        reported = {*frequent_tasks(tasks, self.max_tasks)} if len(held_out) else set()
        return Rows(
            sources=sources,
            tokenizer=tokenizer,
            validation=evenly_spaced(self._estimate(held_out, len(tasks)), self.validation_rows) if reported else None,
            kinds=sorted(reported) if len(reported) > 1 else [],
            template=self.template,
            mixing=self.mixing,
            notes=notes,
            basis=f"estimated: all pairs counted, the first {SAMPLE} encoded",
        )

    def _estimate(self, sample: EncodedAnswers, count: int) -> RowEstimate:
        """The rows of `count` pairs, of which the first ones are in the sample."""
        scale = count / max(1, min(count, SAMPLE))
        return RowEstimate(
            rows=round(scale * len(self.packing(sample.lengths, self.row_tokens(sample.context)))),
            targets=round(scale * int(sample.supervised_targets.sum())),
            amount=round(scale * len(sample)),
            batch=PreferenceBatch if sample.paired else LabelledBatch,
        )

    def _encoder(self, tokenizer: Tokenizer, context: int) -> EncodedAnswers:
        return EncodedAnswers(template=self.template, tokenizer=tokenizer, context=context, too_long=self.too_long)

    def _selected(self, name: str) -> SelectedConversations:
        """The pairs of a source to train on, and those to hold out."""
        return SelectedConversations(
            self.preferences[name],
            split=self.split,
            invalid=self.invalid,
            max_examples=self.max_examples.get(name),
            key=self._key(name),
            check=_check,
            unit="pair",
            remedy="name their fields, as data.preferences.chosen_field and rejected_field",
        )

    def _judged(self, selected: SelectedConversations, kinds: dict[type, str], name: str) -> Iterator[Judged]:
        """The pairs of a source without those that it had before; all sources have one kind.

        Args:
            selected: The pairs.
            kinds: Kind → first source that has it; filled.
            name: Name of the source.
        """
        seen: dict[str, str] = {}
        repeated, opposed = Counter[str](), Counter[str]()
        for judged in selected:
            kinds.setdefault(type(judged), name)
            if len(kinds) == 2:
                pairs, labels = kinds[PreferencePair], kinds[LabelledAnswer]
                raise ValueError(
                    f"data.preferences: {pairs} has pairs and {labels} has labelled answers: train on one "
                    "kind at a time"
                )
            said, reverse = _contents(judged)
            if said in seen and self.duplicates == "drop":
                repeated[f"dropped: the same as an earlier one (the first: {judged.place}, as {seen[said]})"] += 1
                continue
            if reverse in seen:
                opposed[f"say the opposite of an earlier one (the first: {judged.place} and {seen[reverse]})"] += 1
            seen.setdefault(said, judged.place)
            yield judged
        for counts in (repeated, opposed):
            if counts:
                selected.left_out[next(iter(counts))] = counts.total()

    def _validation(self, held_out: EncodedAnswers, tasks: Sequence[str], reported: Sequence[str]) -> RowSource | None:
        if not len(held_out):
            return None
        kinds = np.array([reported.index(task) for task in tasks]) if reported else None
        return evenly_spaced(self._rows(held_out, kinds=kinds), self.validation_rows)

    def _rows(self, answers: EncodedAnswers, *, first: int = 0, kinds: np.ndarray | None = None) -> JudgedRows:
        packing = self.packing(answers.lengths, self.row_tokens(answers.context))
        if packing.starts.any() or (np.unique(packing.documents).size < packing.documents.size):
            raise ValueError("data.packing cuts pairs in two: take lm.data.packing.best_fit")
        return JudgedRows(answers, packing, padding=answers.tokenizer.padding, first=first, kinds=kinds)

    def _notes(self, name: str, selected: SelectedConversations) -> list[str]:
        """A line for each thing that the last reading of a source left out or changed."""
        left_out = [f"{count} {outcome}" for outcome, count in selected.left_out.items()]
        return [f"{name}: {note}" for note in [*left_out, *notes_at(self._key(name), self.preferences[name])]]

    def _key(self, name: str) -> str:
        """Config key of a source."""
        return f"data.preferences.{name}" if self.several else "data.preferences"

    def _resolve_max_examples(self, max_examples: int | dict[str, int] | None) -> dict[str, int]:
        """`max_examples` of each source that has a limit."""
        if not isinstance(max_examples, dict):
            return {} if max_examples is None else dict.fromkeys(self.preferences, max_examples)
        resolved = resolve_sources(max_examples, [*self.preferences], key="data.max_examples")
        return {source: max_examples[name] for name, named in resolved.items() for source in named}


def _check(judged: Judged) -> None:
    judged.check()


def _contents(judged: Judged) -> tuple[str, str]:
    """A hash of what a pair or an answer says, and that of its opposite."""
    sides = [[(turn.role, turn.content, turn.reasoning) for turn in side.messages] for side in judged.sides]
    if isinstance(judged, PreferencePair):
        return hash_json(sides), hash_json(sides[::-1])
    return hash_json([*sides, judged.desirable]), hash_json([*sides, not judged.desirable])


def _describe(name: str, answers: EncodedAnswers, rows: JudgedRows, *, held_out: int) -> str:
    """One line about a source: what it holds and what is longer than the context."""
    unit = "pairs" if answers.paired else f"answers, {answers.desirable.mean():.0%} of them desirable,"
    items = [
        f"{name}: {len(answers)} {unit} in {len(rows)} rows of {rows.packing.context}",
        f"{rows.packing.waste:.1%} padding",
        f"{int(rows.counts.sum())} supervised tokens",
        f"{held_out} held out",
        *filter(None, [answers.describe_dropped()]),
    ]
    return "; ".join(items)
