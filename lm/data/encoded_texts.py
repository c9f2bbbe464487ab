"""Tokens and supervision masks of many texts in plain arrays, five bytes a token."""

from array import array

import numpy as np

from lm.conversation import EncodedConversation


class EncodedTexts:
    """Texts by number, in the order in which they were appended.

    The tokens of a text but the last are inputs, and those but the first are targets.
    """

    def __init__(self) -> None:
        self._tokens, self._supervised, self._ends = array("I"), bytearray(), array("q", [0])

    def append(self, encoded: EncodedConversation) -> None:
        """Add a text."""
        self._tokens.extend(encoded.tokens)
        self._supervised.extend(encoded.supervised)
        self._ends.append(len(self._tokens))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Targets of each text, supervised or not, int64 [texts]."""
        return np.diff(np.array(self._ends)) - 1

    @property
    def supervised_targets(self) -> np.ndarray:
        """Supervised targets of each text, int64 [texts]."""
        before = np.concatenate([[0], np.cumsum(np.frombuffer(self._supervised, dtype=np.uint8), dtype=np.int64)])
        return np.diff(before[np.array(self._ends)])

    def read(self, text: int, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens start…start+length of a text, int64 [length + 1], and which targets are supervised [length]."""
        first = self._ends[text] + start
        tokens = np.array(self._tokens[first : first + length + 1], dtype=np.int64)
        supervised = np.frombuffer(self._supervised[first + 1 : first + length + 1], dtype=np.uint8)
        return tokens, supervised.astype(bool)
