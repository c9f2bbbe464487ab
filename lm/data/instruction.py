"""Rows of conversations: the data of instruction tuning.

Legend: T context
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from lm.bounds import Natural, Positive, Share
from lm.conversation import Conversation, Template
from lm.corpus import Split
from lm.data.batches import Row
from lm.data.conversation_source import ConversationSource
from lm.data.counted import Counted
from lm.data.encoded import EncodedConversations, TooLong
from lm.data.mixture import Mixture
from lm.data.module import RowDataModule
from lm.data.packing import Rows
from lm.data.pretraining import spread
from lm.files import hash_json
from lm.progress import track
from lm.ranks import is_first_process
from lm.tokenizer import Tokenizer

SAMPLE = 256  # conversations of a source that are encoded to plan a run


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
            raise ValueError("data.packing cuts conversations in two: take lm.data.packing.best_fit")
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
    tokens, or conversations where `shares_of` is examples. A conversation longer than the context is left out (`drop`),
    cut at its end (`cut`), or ends the job (`refuse`); one that nothing could be learned from, as where an answer is
    empty, ends it too unless `faulty` is `drop`. What is lost is printed. Held out are those that `split` draws, by
    their group or else by their first question and answer; they are told apart by task.

    `prompt_weight` lets what is not supervised teach too, by that much of what a supervised token does: a little helps
    where answers are short (Huerta-Enochian and Ko 2024, arXiv:2401.13586). Validation is of answers alone.
    """

    def __init__(
        self,
        conversations: ConversationSource | dict[str, ConversationSource],
        *,
        template: Template,
        split: Split,
        packing: Callable[..., Rows],
        too_long: TooLong = "drop",
        faulty: Literal["refuse", "drop"] = "refuse",
        prompt_weight: Share = 0.0,
        mixture: Mixture | None = None,
        shares_of: Literal["tokens", "examples"] = "tokens",
        max_epochs: Positive | dict[str, Positive] | None = None,
        excess: Literal["refuse", "spread"] = "refuse",
        validation_rows: Natural | None = 256,
        workers: Natural = 0,
    ):
        super().__init__(mixture=mixture, max_epochs=max_epochs, excess=excess, workers=workers)
        several = isinstance(conversations, dict)
        self.conversations = conversations if several else {"conversations": conversations}
        self.template, self.split, self.packing = template, split, packing
        self.too_long, self.faulty, self.shares_of = too_long, faulty, shares_of
        self.validation_rows = validation_rows
        self.prompt_weight = prompt_weight

    def amounts(self, source: ConversationRows) -> np.ndarray:
        return source.counts if self.shares_of == "tokens" else source.examples

    def weights(self, source: ConversationRows) -> np.ndarray:
        return source.weights

    def scored(self, source: Counted) -> float:
        return float(source.places) if self.prompt_weight else super().scored(source)

    def fingerprint(self) -> str:
        return hash_json({name: source.fingerprint() for name, source in self.conversations.items()})

    def open(self, *, tokenizer: Tokenizer, context: int) -> None:
        self.tokenizer = tokenizer
        held_out = self._empty(context)
        self.sources = {}
        for name, source in self.conversations.items():
            training, before = self._empty(context), len(held_out)
            faults: list[str] = []
            for conversation in self._whole(source, faults):
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
            self._tell(name, training, [*faults, *source.notes], held_out=len(held_out) - before)
        self.kinds = sorted(set(held_out.tasks))
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
            self.validation = spread(rows, self.validation_rows)

    def sketch(self, *, tokenizer: Tokenizer, context: int) -> str:
        self.tokenizer, self.sources = tokenizer, {}
        for name, source in self.conversations.items():
            seen, sample = 0, self._empty(context)
            for conversation in self._whole(source, []):
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

    def _whole(self, source: ConversationSource, faults: list[str]) -> Iterator[Conversation]:
        """Those that something can be learned from; the rest is refused, or told in `faults`."""
        left_out, first = 0, ""
        for conversation in track(source, label="instruct", unit="conversation"):
            try:
                conversation.check()
            except ValueError as fault:
                if self.faulty == "refuse":
                    raise ValueError(f"{fault} (data.faulty=drop leaves out all such)") from None
                left_out, first = left_out + 1, first or str(fault)
            else:
                yield conversation
        if left_out:
            faults.append(f"{left_out} faulty left out (the first: {first})")

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
