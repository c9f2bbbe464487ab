"""Rows of conversations: the data of instruction tuning.

Legend: T context
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from lm.bounds import Count, Natural, Positive, Share
from lm.conversation import Conversation, Recorded, Template
from lm.conversation.sources.conversation_source import ConversationSource
from lm.corpus import Split
from lm.data.batches import Row
from lm.data.counted import Counted
from lm.data.encoded import EncodedConversations
from lm.data.mixture import Mixture
from lm.data.module import RowDataModule
from lm.data.named_sources import sources_meant
from lm.data.packing import Rows
from lm.data.pretraining import evenly_spaced
from lm.data.subset import Subset
from lm.data.too_long import TooLong
from lm.files import hash_json
from lm.process.ranks import is_first_process
from lm.tokenizer import Tokenizer

SAMPLE = 256  # conversations of a source that are encoded to plan a run
OTHER = "other"  # tasks too rare to be told apart


class ConversationRows:
    """Rows of whole conversations that do not see each other.

    With a `prompt_weight` above 0 every target counts: 1 where it is supervised, and that much where it is not.
    """

    def __init__(
        self,
        conversations: EncodedConversations,
        plan: Rows,
        *,
        padding: int,
        kinds: Sequence[str] = (),
        token_bytes: np.ndarray | None = None,
        prompt_weight: float = 0.0,
    ):
        if plan.starts.any():
            raise ValueError("data.packing cuts conversations in two: take lm.data.exact_fit.exact_fit")
        self.conversations, self.plan, self.padding = conversations, plan, padding
        self.token_bytes = token_bytes
        self.counts = plan.sums(conversations.answered[plan.documents])
        self.prompt_weight = float(np.float32(prompt_weight))  # as it is in a batch, so that the sums are exact
        self.weights = self.counts
        if prompt_weight:
            self.weights = self.counts + self.prompt_weight * (plan.counts - self.counts)
        self.examples = np.diff(plan.row_offsets)  # conversations of each row
        numbers = {kind: number for number, kind in enumerate(kinds)}
        self.kinds = [numbers[task] for task in conversations.tasks] if kinds else []

    def __len__(self) -> int:
        return len(self.plan)

    def row(self, index: int) -> Row:
        context = self.plan.context
        tokens = np.full(context, self.padding, dtype=np.int64)
        targets = np.full(context, self.padding, dtype=np.int64)
        supervised = np.zeros(context, dtype=bool)
        documents = np.full(context, -1, dtype=np.int64)
        kinds = np.zeros(context, dtype=np.int64)
        place = 0
        for number, (conversation, _, length) in enumerate(self.plan.segments(index)):
            ids, mask = self.conversations.read(conversation)
            here = slice(place, place + length)
            tokens[here], targets[here], supervised[here] = ids[:-1], ids[1:], mask[1:]
            documents[here] = number
            kinds[here] = self.kinds[conversation] if self.kinds else 0
            place += length
        row = Row(tokens, targets, supervised, documents)
        if self.prompt_weight:
            asked = np.where(documents >= 0, np.float32(self.prompt_weight), np.float32(0))
            row.shares = np.where(supervised, np.float32(1), asked)
        if self.token_bytes is not None:
            row.kinds, row.bytes = kinds, np.where(supervised, self.token_bytes[targets], 0)
        return row


class InstructionData(RowDataModule):
    """Packed rows of conversations; what the assistant says is supervised, and nothing else.

    `conversations` are one source, or several by the name that a `mixture` calls them by; its shares count supervised
    tokens, or conversations where `shares_of` is examples. Of each at most `max_examples` are trained on, which ones
    their first question and answer decide. A conversation longer than the context is left out (`drop`), made several
    (`split`), loses its first turns (`truncate`), or ends the job (`refuse`), see `too_long`; one that nothing could be
    learned from, as where an answer is empty, ends it too unless `faulty` is `drop`. What is lost is printed, and
    counted in `left_out`. Held out are those that `split` draws, by their group or else by their first question and
    answer; they are told apart by task, the `max_tasks` most frequent and "other".

    `prompt_weight` lets what is not supervised teach too, by that much of what a supervised token does: a little helps
    where answers are short (Huerta-Enochian and Ko 2024, arXiv:2401.13586). Validation is of answers alone.
    """

    def __init__(
        self,
        conversations: ConversationSource | dict[str, ConversationSource],
        *,
        template: Template | None = None,
        split: Split,
        packing: Callable[..., Rows],
        too_long: TooLong = "drop",
        faulty: Literal["refuse", "drop"] = "refuse",
        prompt_weight: Share = 0.0,
        mixture: Mixture | None = None,
        shares_of: Literal["tokens", "examples"] = "tokens",
        max_examples: Count | dict[str, Count] | None = None,
        max_epochs: Positive | dict[str, Positive] | None = None,
        excess: Literal["refuse", "spread"] = "refuse",
        max_tasks: Count | None = 20,
        validation_rows: Natural | None = 256,
        workers: Natural = 0,
        recorded: Recorded | None = None,
    ):
        super().__init__(mixture=mixture, max_epochs=max_epochs, excess=excess, workers=workers)
        self.several = isinstance(conversations, dict)
        if not conversations:
            raise ValueError(
                "data.conversations: there is none: +data/conversations@data.conversations.NAME=OPTION adds one"
            )
        self.conversations = conversations if self.several else {"conversations": conversations}
        self.template = (recorded or Recorded(None)).resolve(template)
        self.split, self.packing = split, packing
        self.too_long, self.faulty, self.shares_of = too_long, faulty, shares_of
        self.max_tasks, self.validation_rows = max_tasks, validation_rows
        self.prompt_weight = prompt_weight
        self.most = self._most(max_examples)

    def amounts(self, source: ConversationRows) -> np.ndarray:
        return source.counts if self.shares_of == "tokens" else source.examples

    def documents(self, source: ConversationRows, row: int) -> list[str]:
        return [source.conversations.places[conversation] for conversation, _, _ in source.plan.segments(row)]

    def weights(self, source: ConversationRows) -> np.ndarray:
        return source.weights

    def scored(self, source: Counted) -> float:
        return float(source.places) if self.prompt_weight else super().scored(source)

    def fingerprint(self) -> str:
        return hash_json({name: source.fingerprint() for name, source in self.conversations.items()})

    def open(self, *, tokenizer: Tokenizer, context: int) -> None:
        self.tokenizer = tokenizer
        held_out = self._empty(context)
        self.sources, self.left_out = {}, {}
        for name, source in self.conversations.items():
            training, before = self._empty(context), len(held_out)
            chosen = self._chosen(name)
            for conversation in chosen:
                conversation = replace(conversation, task=conversation.task or name)
                (held_out if self.held_out(conversation) else training).add(conversation)
            if not len(training):
                raise ValueError(
                    f"data.conversations: of {name} there is no conversation to train on "
                    f"({len(held_out) - before} are held out; {training.losses() or 'none is too long'})"
                )
            plan = self.packing(training.lengths, context)
            self.sources[name] = ConversationRows(
                training, plan, padding=tokenizer.padding, prompt_weight=self.prompt_weight
            )
            told = [f"{count} {what}" for what, count in chosen.left_out.items()]
            self._tell(name, training, [*told, *source.notes], held_out=len(held_out) - before)
            self.left_out[name] = {**training.account(), "other": sum(chosen.left_out.values())}
        self.left_out["held out"] = held_out.account()
        self.kinds = self._tasks(held_out)
        self.validation = None
        if is_first_process() and held_out.losses():
            print(f"instruct    of those held out, {held_out.losses()}")
        if len(held_out):
            rows = ConversationRows(
                held_out,
                self.packing(held_out.lengths, context),
                padding=tokenizer.padding,
                kinds=self.kinds,
                token_bytes=tokenizer.token_bytes,
            )
            self.validation = evenly_spaced(rows, self.validation_rows)

    def sketch(self, *, tokenizer: Tokenizer, context: int) -> str:
        self.tokenizer, self.sources = tokenizer, {}
        for name in self.conversations:
            seen, sample = 0, self._empty(context)
            for conversation in self._chosen(name):
                if not self.held_out(conversation):
                    seen += 1
                    if seen <= SAMPLE:
                        sample.add(conversation)
            more = seen / max(1, min(seen, SAMPLE))
            rows = len(self.packing(sample.lengths, context))
            self.sources[name] = Counted(
                rows=round(more * rows),
                targets=round(more * int(sample.answered.sum())),
                places=round(more * int(sample.lengths.sum())),
                examples=seen,
            )
        return f"estimated: all conversations counted, the first {SAMPLE} encoded"

    def _chosen(self, name: str) -> Subset:
        """The conversations of a source to learn from, and to hold out."""
        return Subset(
            self.conversations[name],
            split=self.split,
            faulty=self.faulty,
            most=self.most.get(name),
            key=f"data.conversations.{name}" if self.several else None,
        )

    def _tasks(self, held_out: EncodedConversations) -> list[str]:
        """The tasks that validation tells apart, having named the rarer ones other."""
        found = sorted(Counter(held_out.tasks).items(), key=lambda item: (-item[1], item[0]))
        if self.max_tasks is None or len(found) <= self.max_tasks:
            return sorted(task for task, _ in found)
        frequent = {task for task, _ in found[: self.max_tasks]}
        held_out.tasks = [task if task in frequent else OTHER for task in held_out.tasks]
        return sorted({*held_out.tasks})

    def _most(self, max_examples: int | dict[str, int] | None) -> dict[str, int]:
        """By source, the most conversations to train on where that is limited."""
        if not isinstance(max_examples, dict):
            return {} if max_examples is None else dict.fromkeys(self.conversations, max_examples)
        meant = sources_meant(max_examples, [*self.conversations], key="data.max_examples")
        return {source: max_examples[name] for name, found in meant.items() for source in found}

    def held_out(self, conversation: Conversation) -> bool:
        """Whether a conversation is for validation only, whatever else there is."""
        return self.split.held_out(conversation)

    def _empty(self, context: int) -> EncodedConversations:
        return EncodedConversations(
            template=self.template, tokenizer=self.tokenizer, context=context, too_long=self.too_long
        )

    def _tell(self, name: str, training: EncodedConversations, notes: Sequence[str], *, held_out: int) -> None:
        """One line on what there is and what was lost."""
        rows = self.sources[name]
        told = [
            f"{len(training)} {name} in {len(rows)} rows of {rows.plan.context}",
            f"{rows.plan.waste:.1%} padding",
            f"{int(rows.counts.sum())} supervised tokens",
            f"{held_out} held out",
            *([training.losses()] if training.losses() else []),
            *notes,
        ]
        if is_first_process():
            print(f"instruct    {'; '.join(told)}")
