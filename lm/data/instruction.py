"""Rows of conversations: the data of instruction tuning."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from lm.bounds import Count, Natural, Positive, Share
from lm.config.faults import notes_at
from lm.conversation import Conversation, RecordedTemplate, Template
from lm.conversation.sources import ConversationSource
from lm.corpus import Split
from lm.data.conversations import EncodedConversations, SelectedConversations
from lm.data.mixing import Mixing
from lm.data.mixture import Mixture, resolve_sources
from lm.data.module import TrainingData
from lm.data.packing import Packing
from lm.data.row_source import PackedRows, RowEstimate, RowSource, evenly_chosen, evenly_spaced
from lm.data.rows import Rows
from lm.data.tasks import frequent_tasks
from lm.files import hash_json
from lm.tokenizer import Tokenizer

SAMPLE = 256  # conversations of a source that are encoded to estimate a run
PROMPTS = 4  # held-out questions that a run may show replies to


class InstructionData(TrainingData):
    """Packed rows of conversations. Only what the assistant says is supervised.

    Validation measures the answers of held-out conversations by task. What is dropped or shortened is printed, and
    counted in the manifest's `left_out`.

    Args:
        conversations: A source of conversations, or several by the names that a mixture uses.
        template: How conversations are written as tokens; null takes the template that the model was tuned with, or
            else `RoleTokenTemplate`.
        split: Which conversations are held out, by their group or else by their first question and answer.
        packing: How conversations are placed in rows; it must keep them whole, as `exact_fit` and `best_fit` do.
        too_long: What to do with a conversation longer than the context: drop it, split it into several, truncate it
            from the left, or refuse the run.
        invalid: What to do with a conversation that nothing can be learned from, such as one with an empty answer:
            drop it, which is counted by reason, or refuse the run. If more than half are invalid, the run is refused.
        prompt_weight: Loss weight of tokens that the assistant does not say, 0 to 1. A little helps where answers are
            short (Huerta-Enochian and Ko 2024, arXiv:2401.13586).
        mixture: Share of each source; null shuffles all rows together, each read once per epoch.
        mixture_unit: What the shares of a mixture count: supervised tokens, or examples (conversations).
        max_examples: Conversations of a source to train on, at most, for all or by name; null for all. Which ones is
            decided by a hash of their first question and answer.
        max_epochs: Maximum epochs of a source, for all or by name: no row is read more than ceil(max_epochs) times.
            Repetition beyond about four epochs teaches little (Muennighoff et al. 2023). null for no limit.
        excess: What to do if the budget exceeds max_epochs: refuse the run, or redistribute the excess to the other
            sources of a mixture.
        max_tasks: Tasks that validation reports, the most frequent ones; the others are reported as "other". null for
            all.
        validation_rows: Held-out rows measured while training, evenly spaced; null for all. `lm evaluate` measures all.
        max_rows: Rows of a source to train on, at most, evenly spaced; null for all. A few show whether a model learns
            at all (debug=overfit).
        workers: Processes that read rows ahead of training, per rank; 0 reads them in the training process.
        recorded: The template that the model's run recorded, if any.
    """

    def __init__(
        self,
        conversations: ConversationSource | dict[str, ConversationSource],
        *,
        template: Template | None = None,
        split: Split,
        packing: Callable[..., Packing],
        too_long: Literal["refuse", "drop", "split", "truncate"] = "drop",
        invalid: Literal["refuse", "drop"] = "drop",
        prompt_weight: Share = 0.0,
        mixture: Mixture | None = None,
        mixture_unit: Literal["tokens", "examples"] = "tokens",
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
        self.several = isinstance(conversations, dict)
        if not conversations:
            raise ValueError("data.conversations is empty: +data/conversations@data.conversations.NAME=OPTION adds one")
        self.conversations = conversations if self.several else {"conversations": conversations}
        self.template = (recorded or RecordedTemplate(None)).resolve(template)
        self.split, self.packing = split, packing
        self.too_long, self.invalid, self.prompt_weight = too_long, invalid, prompt_weight
        self.mixing, self.mixture_unit = Mixing(mixture, max_epochs, excess), mixture_unit
        self.max_tasks, self.validation_rows, self.max_rows = max_tasks, validation_rows, max_rows
        self.max_examples = self._resolve_max_examples(max_examples)

    def fingerprint(self) -> str:
        return hash_json({name: source.fingerprint() for name, source in self.conversations.items()})

    def open(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        held_out = self._encoder(tokenizer, context)
        sources: dict[str, RowSource] = {}
        left_out, notes, questions = {}, [], []
        for name in self.conversations:
            training, before = self._encoder(tokenizer, context), len(held_out)
            selected = self._selected(name)
            for conversation in selected:
                conversation = replace(conversation, task=conversation.task or name)
                self._check_prompt_weight(conversation)
                is_held_out = self.split.held_out(conversation)
                (held_out if is_held_out else training).add(conversation)
                if is_held_out and conversation.messages[0].role == "user":
                    questions.append(conversation.messages[0].content)
            held_out_here = len(held_out) - before
            _check_any(name, training, held_out=held_out_here)
            packing = self._pack(training)
            rows = PackedRows(
                training,
                packing,
                padding=tokenizer.padding,
                amounts=np.diff(packing.row_offsets) if self.mixture_unit == "examples" else None,
                prompt_weight=self.prompt_weight,
            )
            sources[name] = evenly_spaced(rows, self.max_rows)
            notes.append(_describe(name, training, rows, held_out=held_out_here))
            notes += self._notes(name, selected)
            left_out[name] = {**training.count_shortened(), "other": sum(selected.left_out.values())}
        left_out["held out"] = held_out.count_shortened()
        if shortened := held_out.describe_shortened():
            notes.append(f"held out: {shortened}")
        kinds = self._tasks(held_out)
        return Rows(
            sources=sources,
            tokenizer=tokenizer,
            validation=self._validation(held_out, kinds),
            kinds=kinds,
            template=self.template,
            mixing=self.mixing,
            prompts=evenly_chosen(list(dict.fromkeys(questions)), PROMPTS),
            notes=notes,
            left_out=left_out,
        )

    def sketch(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        sources, notes = {}, []
        held_out, tasks = self._encoder(tokenizer, context), []
        for name in self.conversations:
            count, sample, before = 0, self._encoder(tokenizer, context), len(tasks)
            selected = self._selected(name)
            for conversation in selected:
                if self.split.held_out(conversation):
                    tasks.append(conversation.task or name)
                    if len(tasks) <= SAMPLE:
                        held_out.add(conversation)
                else:
                    count += 1
                    if count <= SAMPLE:
                        sample.add(conversation)
            if count <= SAMPLE:
                _check_any(name, sample, held_out=len(tasks) - before)
            notes += self._notes(name, selected)
            sources[name] = evenly_spaced(self._estimate(sample, count), self.max_rows)
        validation = evenly_spaced(self._estimate(held_out, len(tasks)), self.validation_rows)
        return Rows(
            sources=sources,
            tokenizer=tokenizer,
            validation=validation if len(held_out) else None,
            kinds=sorted({*frequent_tasks(tasks, self.max_tasks)}) if len(held_out) else [],
            template=self.template,
            mixing=self.mixing,
            notes=notes,
            basis=f"estimated: all conversations counted, the first {SAMPLE} encoded",
        )

    def _estimate(self, sample: EncodedConversations, count: int) -> RowEstimate:
        """The rows of `count` conversations, of which the first ones are in the sample."""
        scale = count / max(1, min(count, SAMPLE))
        targets = round(scale * int(sample.supervised_targets.sum()))
        return RowEstimate(
            rows=round(scale * len(self.packing(sample.lengths, sample.context))),
            targets=targets,
            context=sample.context,
            vocab_size=sample.tokenizer.vocab_size,
            amount=count if self.mixture_unit == "examples" else targets,
            loss_targets=round(scale * int(sample.lengths.sum())) if self.prompt_weight else None,
        )

    def _encoder(self, tokenizer: Tokenizer, context: int) -> EncodedConversations:
        return EncodedConversations(
            template=self.template, tokenizer=tokenizer, context=context, too_long=self.too_long
        )

    def _selected(self, name: str) -> SelectedConversations:
        """The conversations of a source to train on, and those to hold out."""
        return SelectedConversations(
            self.conversations[name],
            split=self.split,
            invalid=self.invalid,
            max_examples=self.max_examples.get(name),
            key=self._key(name),
        )

    def _notes(self, name: str, selected: SelectedConversations) -> list[str]:
        """A line for each thing that the last reading of a source left out or changed."""
        left_out = [f"{count} {outcome}" for outcome, count in selected.left_out.items()]
        return [f"{name}: {note}" for note in [*left_out, *notes_at(self._key(name), self.conversations[name])]]

    def _key(self, name: str) -> str:
        """Config key of a source."""
        return f"data.conversations.{name}" if self.several else "data.conversations"

    def _check_prompt_weight(self, conversation: Conversation) -> None:
        """Refuse to learn, as part of a prompt, an answer that is marked as not to be learned."""
        if self.prompt_weight and not all(message.supervised for message in conversation.messages):
            raise ValueError(
                f"data.prompt_weight={self.prompt_weight:g} would teach an answer of {conversation.place} that is "
                "marked as not to be learned: set data.prompt_weight=0"
            )

    def _pack(self, conversations: EncodedConversations) -> Packing:
        packing = self.packing(conversations.lengths, conversations.context)
        if packing.starts.any():
            raise ValueError("data.packing cuts conversations in two: take lm.data.exact_fit.exact_fit")
        return packing

    def _validation(self, held_out: EncodedConversations, kinds: Sequence[str]) -> RowSource | None:
        if not len(held_out):
            return None
        tokenizer, numbers = held_out.tokenizer, {kind: number for number, kind in enumerate(kinds)}
        rows = PackedRows(
            held_out,
            self._pack(held_out),
            padding=tokenizer.padding,
            kinds=np.array([numbers[task] for task in held_out.tasks]),
            token_bytes=tokenizer.token_bytes_within,
        )
        return evenly_spaced(rows, self.validation_rows)

    def _tasks(self, held_out: EncodedConversations) -> list[str]:
        """The tasks that validation reports; renames the rarer ones to "other"."""
        held_out.tasks = frequent_tasks(held_out.tasks, self.max_tasks)
        return sorted({*held_out.tasks})

    def _resolve_max_examples(self, max_examples: int | dict[str, int] | None) -> dict[str, int]:
        """`max_examples` of each source that has a limit."""
        if not isinstance(max_examples, dict):
            return {} if max_examples is None else dict.fromkeys(self.conversations, max_examples)
        resolved = resolve_sources(max_examples, [*self.conversations], key="data.max_examples")
        return {source: max_examples[name] for name, named in resolved.items() for source in named}


def _check_any(name: str, training: EncodedConversations, *, held_out: int) -> None:
    if not len(training):
        raise ValueError(
            f"data.conversations: {name} has no conversation to train on "
            f"({held_out} are held out; {training.describe_shortened() or 'none is too long'})"
        )


def _describe(name: str, conversations: EncodedConversations, rows: PackedRows, *, held_out: int) -> str:
    """One line about a source: what it holds and what is longer than the context."""
    changed = [conversations.describe_rewritten(), conversations.describe_shortened()]
    items = [
        f"{len(conversations)} {name} in {len(rows)} rows of {conversations.context}",
        f"{rows.packing.waste:.1%} padding",
        f"{int(rows.counts.sum())} supervised tokens",
        f"{held_out} held out",
        *filter(None, changed),
    ]
    return "; ".join(items)
