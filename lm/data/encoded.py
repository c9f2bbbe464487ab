"""Conversations as certified tokens, one after another in plain arrays: five bytes a token."""

from array import array

import numpy as np

from lm.conversation import Conversation, Encoded, MaskValidator, Template
from lm.data.too_long import TooLong, split, truncated
from lm.tokenizer import Tokenizer


class EncodedConversations:
    """What has been added, by number.

    Of a conversation, the tokens but the last are inputs and those but the first are targets. One of more than
    `context` targets is refused, dropped, split into several, or truncated from the left, as `too_long` says. What
    that takes is counted, and what it leaves is certified.
    """

    def __init__(self, *, template: Template, tokenizer: Tokenizer, context: int, too_long: TooLong):
        self.template, self.tokenizer = template, tokenizer
        self.context, self.too_long = context, too_long
        self.mask_validator = MaskValidator(template, tokenizer)
        self.tasks: list[str] = []
        self.places: list[str] = []  # where each comes from
        self.dropped = self.split = self.parts = self.truncated = 0  # conversations; parts of those that were split
        self.turns = self.lost = 0  # turns that the split and truncated lack; supervised targets that all of them lack
        self._tokens, self._supervised, self._ends = array("I"), bytearray(), array("q", [0])

    def add(self, conversation: Conversation) -> None:
        """Encode one more and certify it."""
        encoded = self._certified(conversation)
        if self._fits(encoded):
            self._keep(encoded, conversation)
        else:
            self._shorten(conversation, encoded)

    def _certified(self, conversation: Conversation) -> Encoded:
        encoded = self.template.encode(conversation, self.tokenizer)
        self.mask_validator.check(encoded, conversation)
        return encoded

    def _fits(self, encoded: Encoded) -> bool:
        return len(encoded.tokens) <= self.context + 1

    def _keep(self, encoded: Encoded, conversation: Conversation) -> None:
        self._tokens.extend(encoded.tokens)
        self._supervised.extend(encoded.supervised)
        self._ends.append(len(self._tokens))
        self.tasks.append(conversation.task)
        self.places.append(conversation.place)

    def _shorten(self, conversation: Conversation, encoded: Encoded) -> None:
        """Keep what can be kept of a conversation that is too long."""
        if self.too_long == "refuse":
            raise ValueError(
                f"{conversation.place} has {len(encoded.tokens) - 1} tokens to predict, more than the context of "
                f"{self.context}: data.too_long=drop leaves it out, split makes several of it, truncate leaves out its "
                "first turns; or use a model of more context"
            )
        shorten = {"split": split, "truncate": truncated}.get(self.too_long)
        parts = (
            shorten(conversation, lambda part: self._fits(self.template.encode(part, self.tokenizer)))
            if shorten
            else []
        )
        self.lost += sum(encoded.supervised)
        for part in parts:
            kept = self._certified(part)
            self._keep(kept, part)
            self.lost -= sum(kept.supervised)
        if not parts:
            self.dropped += 1
            return
        if self.too_long == "split":
            self.split, self.parts = self.split + 1, self.parts + len(parts)
        else:
            self.truncated += 1
        kept = sum(message.role != "system" for part in parts for message in part.messages)
        self.turns += sum(message.role != "system" for message in conversation.messages) - kept

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def lengths(self) -> np.ndarray:
        """Targets of each conversation, supervised or not."""
        return np.diff(np.array(self._ends)) - 1

    @property
    def answered(self) -> np.ndarray:
        """Supervised targets of each conversation."""
        before = np.concatenate([[0], np.cumsum(np.frombuffer(self._supervised, dtype=np.uint8), dtype=np.int64)])
        return np.diff(before[np.array(self._ends)])

    def read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of a conversation, int64, and which of them are supervised."""
        here = slice(self._ends[number], self._ends[number + 1])
        tokens = np.array(self._tokens[here], dtype=np.int64)
        return tokens, np.frombuffer(self._supervised[here], dtype=np.uint8).astype(bool)

    def losses(self) -> str:
        """In words what became of those that are too long; "" if none is."""
        told = [
            f"{count} longer than {self.context} tokens {what}"
            for count, what in (
                (self.dropped, "left out"),
                (self.split, f"split into {self.parts}"),
                (self.truncated, "without their first turns"),
            )
            if count
        ]
        return f"{' and '.join(told)} ({self.lost} supervised tokens lost)" if told else ""

    def account(self) -> dict[str, int]:
        """The same as numbers."""
        return {
            "dropped": self.dropped,
            "split": self.split,
            "parts": self.parts,
            "truncated": self.truncated,
            "turns": self.turns,
            "supervised_tokens": self.lost,
        }
