"""Conversations as certified tokens, one after another in plain arrays: five bytes a token."""

from array import array
from typing import Literal

import numpy as np

from lm.conversation import Certificate, Conversation, Template
from lm.tokenizer import Tokenizer

TooLong = Literal["refuse", "drop", "cut"]


class EncodedConversations:
    """What has been added, by number.

    Of a conversation, the tokens but the last are inputs and those but the first are targets. One of more
    than `context` targets is refused, dropped or cut at the end; what is lost is counted.
    """

    def __init__(self, *, template: Template, tokenizer: Tokenizer, context: int, too_long: TooLong):
        self.template, self.tokenizer = template, tokenizer
        self.context, self.too_long = context, too_long
        self.certificate = Certificate(template, tokenizer)
        self.tasks: list[str] = []
        self.places: list[str] = []  # where each comes from
        self.dropped = self.cut = self.lost = 0  # conversations, conversations, their supervised targets
        self._tokens, self._supervised, self._ends = array("I"), bytearray(), array("q", [0])

    def add(self, conversation: Conversation) -> None:
        """Encode one more and certify it."""
        encoded = self.template.encode(conversation, self.tokenizer)
        self.certificate.hold(encoded, conversation)
        keep = len(encoded.tokens)
        if keep > self.context + 1:
            keep = self._shorten(conversation.place, encoded.supervised)
        if keep:
            self._tokens.extend(encoded.tokens[:keep])
            self._supervised.extend(encoded.supervised[:keep])
            self._ends.append(len(self._tokens))
            self.tasks.append(conversation.task)
            self.places.append(conversation.place)

    def _shorten(self, place: str, supervised: list[bool]) -> int:
        """How many tokens to keep of a conversation that is too long."""
        if self.too_long == "refuse":
            raise ValueError(
                f"{place} has {len(supervised) - 1} tokens to predict, more than the context of {self.context}: "
                "data.too_long=drop leaves it out, data.too_long=cut cuts it; or use a model of more context"
            )
        keep = self.context + 1
        if self.too_long == "drop" or not any(supervised[:keep]):  # nothing of an answer would be left
            keep = 0
        self.dropped, self.cut = self.dropped + (keep == 0), self.cut + (keep > 0)
        self.lost += sum(supervised[keep:])
        return keep

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
        """In words what was cut and dropped; "" if nothing was."""
        parts = [
            f"{count} longer than {self.context} tokens {what}"
            for count, what in ((self.dropped, "left out"), (self.cut, "cut"))
            if count
        ]
        return f"{' and '.join(parts)} ({self.lost} supervised tokens)" if parts else ""
