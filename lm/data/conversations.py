"""Conversations to train on: which of them, and as validated tokens."""

from collections import Counter
from collections.abc import Callable, Iterator
from heapq import nsmallest
from typing import Literal

import numpy as np

from lm.config.faults import errors_at
from lm.conversation import Conversation, EncodedConversation, MaskValidator, Template, reason_of, with_tools_as_text
from lm.conversation.sources import ConversationSource
from lm.corpus import Split, hash_fraction
from lm.data.encoded_texts import EncodedTexts
from lm.data.packing import Packing
from lm.data.row_source import Documents
from lm.data.too_long import TooLong, split, truncate
from lm.progress import track
from lm.tokenizer import Tokenizer


class SelectedConversations:
    """The valid conversations of a source: all that are held out, and at most `max_examples` of the others.

    A hash of each conversation decides which are taken, so a larger `max_examples` adds conversations and removes
    none; the limit costs a second reading of the source. `left_out` counts the others.

    Args:
        source: Conversations.
        split: Which conversations are held out.
        invalid: What to do with a conversation that nothing can be learned from: refuse it, or drop it.
        max_examples: Conversations to train on, at most; None for all.
        key: Config key of the source, for messages.
        check: Refuses a conversation that nothing can be learned from.
        unit: What messages call a conversation.
        remedy: What to do where most of them are refused.
    """

    def __init__(
        self,
        source: ConversationSource,
        *,
        split: Split,
        invalid: Literal["refuse", "drop"],
        max_examples: int | None,
        key: str,
        check: Callable[[Conversation], None] = Conversation.check,
        unit: str = "conversation",
        remedy: str = "choose another layout, as data/conversations=messages",
    ):
        self.source, self.split, self.invalid, self.key, self.check = source, split, invalid, key, check
        self.max_examples, self.unit, self.remedy = max_examples, unit, remedy
        self.left_out: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Conversation]:
        threshold = None if self.max_examples is None else self._threshold(self.max_examples)
        self.left_out.clear()
        taken = 0
        for conversation in self._valid():
            if threshold is not None and not self.split.held_out(conversation):
                if taken == self.max_examples or hash_fraction(conversation, salt="sample") > threshold:
                    self.left_out[f"beyond data.max_examples={self.max_examples} left out"] += 1
                    continue
                taken += 1
            yield conversation

    def _threshold(self, count: int) -> float | None:
        """The highest hash among the `count` training conversations of lowest hash."""
        hashes = (hash_fraction(each, salt="sample") for each in self._valid() if not self.split.held_out(each))
        return next(iter(nsmallest(count, hashes)[-1:]), None)

    def _valid(self) -> Iterator[Conversation]:
        kept, counts, first = 0, Counter(), {}
        with errors_at(self.key, self.source):
            for conversation in track(self.source, label="data", unit=f"{self.unit}s"):
                try:
                    self.check(conversation)
                except ValueError as fault:
                    if self.invalid == "refuse":
                        raise ValueError(f"{fault} (data.invalid=drop drops such {self.unit}s)") from None
                    reason = reason_of(str(fault).removeprefix(conversation.place))
                    counts[reason] += 1
                    first.setdefault(reason, conversation.place)
                else:
                    kept += 1
                    yield conversation
        found = {f"dropped: {why} (the first: {first[why]})": count for why, count in counts.items()}
        if (dropped := sum(found.values())) > kept:
            listed = "; ".join(f"{count} {what}" for what, count in found.items())
            raise ValueError(
                f"{dropped} of {kept + dropped} {self.unit}s of {self.key} cannot be trained "
                f"on: {listed}; {self.remedy}, or repair the file"
            )
        self.left_out.update(found)


class EncodedConversations(Documents):
    """Conversations as tokens, in the order in which they were added.

    The tokens of a conversation but the last are inputs, and those but the first are targets. Whatever is kept passes
    the `MaskValidator`.

    Args:
        template: How a conversation is written as tokens.
        tokenizer: Tokenizer of the model.
        context: Targets that a row holds.
        too_long: What to do with a conversation of more targets: refuse it, drop it, split it, or truncate it from the
            left, see `lm.data.too_long`.
    """

    def __init__(self, *, template: Template, tokenizer: Tokenizer, context: int, too_long: TooLong):
        self.template, self.tokenizer = template, tokenizer
        self.context, self.too_long = context, too_long
        self.mask_validator = MaskValidator(template, tokenizer)
        self.tasks: list[str] = []
        self.places: list[str] = []  # file:line of each
        self.dropped = self.split = self.parts = self.truncated = 0  # conversations; parts of those that were split
        self.rewritten = self.rewritten_parts = 0  # conversations whose answers the template rewrites; their parts
        self.lost_turns = self.lost_targets = 0  # turns lost by splitting and truncation; supervised targets by all
        self.texts = EncodedTexts()

    def add(self, conversation: Conversation) -> None:
        """Encode a conversation and validate its mask."""
        parts = self.template.parts(with_tools_as_text(conversation, self.template), self.tokenizer)
        if len(parts) > 1:
            self.rewritten, self.rewritten_parts = self.rewritten + 1, self.rewritten_parts + len(parts)
        for part in parts:
            encoded = self._encode(part)
            if self._fits(encoded):
                self._append(encoded, part)
            else:
                self._shorten(part, encoded)

    def _encode(self, conversation: Conversation) -> EncodedConversation:
        encoded = self.template.encode(conversation, self.tokenizer)
        self.mask_validator.check(encoded, conversation)
        return encoded

    def _fits(self, encoded: EncodedConversation) -> bool:
        return len(encoded.tokens) <= self.context + 1

    def _append(self, encoded: EncodedConversation, conversation: Conversation) -> None:
        self.texts.append(encoded)
        self.tasks.append(conversation.task)
        self.places.append(conversation.place)

    def _shorten(self, conversation: Conversation, encoded: EncodedConversation) -> None:
        """Keep what `too_long` allows of a conversation that does not fit."""
        if self.too_long == "refuse":
            raise ValueError(
                f"data.too_long=refuse: {conversation.place} has {len(encoded.tokens) - 1} targets, more than the "
                f"context of {self.context}; set data.too_long=drop, split or truncate, or use a model with a longer "
                "context"
            )
        shorten = {"split": split, "truncate": truncate}.get(self.too_long)
        parts = (
            shorten(conversation, lambda part: self._fits(self.template.encode(part, self.tokenizer)))
            if shorten
            else []
        )
        self.lost_targets += sum(encoded.supervised)
        for part in parts:
            shortened = self._encode(part)
            self._append(shortened, part)
            self.lost_targets -= sum(shortened.supervised)
        if not parts:
            self.dropped += 1
            return
        if self.too_long == "split":
            self.split, self.parts = self.split + 1, self.parts + len(parts)
        else:
            self.truncated += 1
        kept = sum(message.role != "system" for part in parts for message in part.messages)
        self.lost_turns += sum(message.role != "system" for message in conversation.messages) - kept

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def lengths(self) -> np.ndarray:
        """Targets of each conversation, supervised or not, int64 [conversations]."""
        return self.texts.lengths

    @property
    def supervised_targets(self) -> np.ndarray:
        """Supervised targets of each conversation, int64 [conversations]."""
        return self.texts.supervised_targets

    def supervised_counts(self, packing: Packing) -> np.ndarray:
        return packing.sums(self.supervised_targets[packing.documents])

    def read(self, document: int, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        return self.texts.read(document, start, length)

    def name(self, document: int) -> str:
        return self.places[document]

    def describe_rewritten(self) -> str:
        """What happened to conversations whose earlier answers the template rewrites; empty if there are none."""
        if not self.rewritten:
            return ""
        return (
            f"{self.rewritten} written as {self.rewritten_parts}, since the template writes an answer otherwise once "
            "turns follow it"
        )

    def describe_shortened(self) -> str:
        """What happened to conversations that are too long; empty if there are none."""
        outcomes = [
            f"{count} longer than {self.context} tokens {outcome}"
            for count, outcome in (
                (self.dropped, "dropped"),
                (self.split, f"split into {self.parts}"),
                (self.truncated, "truncated"),
            )
            if count
        ]
        return f"{' and '.join(outcomes)} ({self.lost_targets} supervised tokens lost)" if outcomes else ""

    def count_shortened(self) -> dict[str, int]:
        """The same as numbers, for the manifest."""
        return {
            "dropped": self.dropped,
            "split": self.split,
            "parts": self.parts,
            "truncated": self.truncated,
            "turns": self.lost_turns,
            "supervised_tokens": self.lost_targets,
        }
