"""One row being generated: its context window, its text so far, and why it ended."""

import codecs
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class StopStrings:
    """Pass text on as it comes, in whole characters and without any part of a stop string.

    A token may end inside a character and a stop string inside a token: bytes wait for the rest of their character,
    and text that could still become a stop string waits until it cannot.

    Args:
        stop: Strings that end the text.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        if "" in stop:
            raise ValueError("stop contains an empty string, which every text contains: remove it")
        self.stop = tuple(stop)
        self.stopped = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def push(self, data: bytes) -> str:
        """Add `data`; return the text that is safe to show now."""
        self._held += self._decoder.decode(data)
        found = [
            (at + len(stop), at) for stop in self.stop if (at := self._held.find(stop)) >= 0
        ]  # the first one to be complete counts, as if characters came one by one
        if found:
            self.stopped = True
            safe, self._held = self._held[: min(found)[1]], ""
            return safe
        waiting = max((_overlap(self._held, stop) for stop in self.stop), default=0)
        cut = len(self._held) - waiting
        safe, self._held = self._held[:cut], self._held[cut:]
        return safe

    def finish(self) -> str:
        """Return the text held back, at the end; half a character is dropped."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


class Continuation:
    """A row of a batch, from its prompt to its last token.

    Args:
        prompt: Token ids to continue; only the last `context` are read.
        context: Context of the model, in tokens.
        max_tokens: Maximum number of tokens to add.
        stop: Strings that end the text.
        stop_tokens: Token ids that end the text.
        decode_bytes: The tokenizer's `decode_bytes(ids, after=…)`.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        *,
        context: int,
        max_tokens: int,
        stop: Sequence[str],
        stop_tokens: Sequence[int],
        decode_bytes: Callable[..., bytes],
    ) -> None:
        self.window = list(prompt)[-context:]  # the tokens that the model reads
        self.seen = set(prompt)  # for the repetition penalty
        self.tokens: list[int] = []  # generated ones, the stop token included
        self.pieces: list[str] = []
        self.reason = "" if max_tokens > 0 else "length"
        self.left = max_tokens
        self._context = context
        self._text = StopStrings(stop)
        self.stop_tokens = frozenset(stop_tokens)
        self._decode_bytes = decode_bytes

    def slide_window(self) -> None:
        """Drop the older half of the window if it exceeds the context."""
        if len(self.window) > self._context:
            self.window = self.window[-max(1, self._context // 2) :]

    def append(self, token: int) -> str:
        """Add a token; return the text that is safe to show now, and set `reason` at the end."""
        before = self.window[-1]
        self.window.append(token)
        self.tokens.append(token)
        self.seen.add(token)
        self.left -= 1
        piece = ""
        if token in self.stop_tokens:
            self.reason = "stop_token"
        else:
            piece = self._text.push(self._decode_bytes([token], after=before))
            if self._text.stopped:
                self.reason = "stop_string"
            elif self.left == 0:
                self.reason = "length"
        if self.reason:
            piece += self._text.finish()
        self.pieces.append(piece)
        return piece


def seen_tokens(continuations: Sequence[Continuation], logits: Tensor) -> Tensor:
    """Return which tokens each row contains, B V as the logits, except its stop tokens: every row has to end once."""
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for row, continuation in enumerate(continuations):
        seen[row, list(continuation.seen.difference(continuation.stop_tokens))] = True
    return seen
