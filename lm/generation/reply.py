"""One row being written: what the model sees of it, what it has said, and whether it is done."""

import codecs
from collections.abc import Callable, Sequence


class StopText:
    """Let text through as it comes, in whole characters, but never any of a stop string.

    A token may end inside a character and a stop string inside a token: bytes wait for the rest of their
    character, and text that could still become a stop string waits until it cannot.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        if "" in stop:
            raise ValueError("stop holds an empty string, which every text contains: leave it out")
        self.stop = tuple(stop)
        self.stopped = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def push(self, data: bytes) -> str:
        """What may be shown now that `data` has come."""
        self._held += self._decoder.decode(data)
        found = [
            (at + len(stop), at) for stop in self.stop if (at := self._held.find(stop)) >= 0
        ]  # the one complete first counts, as if characters came one by one
        if found:
            self.stopped = True
            shown, self._held = self._held[: min(found)[1]], ""
            return shown
        waiting = max((_overlap(self._held, stop) for stop in self.stop), default=0)
        cut = len(self._held) - waiting
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown

    def finish(self) -> str:
        """What was held back, now that nothing more comes; half a character is dropped."""
        shown, self._held = self._held, ""
        return shown


def _overlap(text: str, stop: str) -> int:
    """The most characters at the end of `text` with which `stop` begins."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


class Reply:
    """A row of a batch, from its prompt to its last token."""

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
        self.window = list(prompt)[-context:]  # what the model sees
        self.seen = set(prompt)  # what a repetition would repeat
        self.tokens: list[int] = []  # what it said, a stop token included
        self.pieces: list[str] = []
        self.reason = "" if max_tokens > 0 else "length"
        self.left = max_tokens
        self._context = context
        self._text = StopText(stop)
        self.stop_tokens = frozenset(stop_tokens)
        self._decode_bytes = decode_bytes

    def slide(self) -> None:
        """Drop the older half of what the model sees, if it has outgrown the context."""
        if len(self.window) > self._context:
            self.window = self.window[-max(1, self._context // 2) :]

    def take(self, token: int) -> str:
        """Add the token the model picked; return the text it lets through."""
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
