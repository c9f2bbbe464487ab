"""One text of an answer as it grows: what may be shown of it now, and how it ends."""

from collections.abc import Callable
from dataclasses import dataclass

from lm.serve.api.tokens import Placed, Places
from lm.serve.request import Update
from lm.tools.calls import Call, split_calls

MARKS = ("<tool_call>", "[TOOL_CALLS]")  # with which calls begin anywhere; JSON begins a line
REASONS = {"stop_token": "stop", "stop_string": "stop", "length": "length"}


@dataclass(frozen=True)
class Piece:
    """What one update adds to a text.

    Args:
        text: What may be shown now.
        placed: The tokens whose log-probabilities may be shown now.
        calls: Calls of tools, with the last piece.
        reason: Why the text ended, as OpenAI says it; "" while it continues.
    """

    text: str
    placed: tuple[Placed, ...] = ()
    calls: tuple[Call, ...] = ()
    reason: str = ""


class Trim:
    """Leave out what a template writes before and after the content of an answer, while it comes.

    Args:
        before: Text that the answer may begin with.
        after: Text that it may end with.
    """

    def __init__(self, before: str, after: str) -> None:
        self._before, self._after, self._held, self._begun = before, after, "", not before

    def push(self, text: str, *, last: bool) -> str:
        """Add text; return what may be shown."""
        self._held += text
        if not self._begun:
            if not last and len(self._held) < len(self._before) and self._before.startswith(self._held):
                return ""
            self._held, self._begun = self._held.removeprefix(self._before), True
        if last:
            return self._held.removesuffix(self._after)
        shown = self._held[: len(self._held) - _begun(self._held, self._after)]
        self._held = self._held[len(shown) :]
        return shown


class Calls:
    """Hold an answer back from where it may call tools until it ends, as only the end of an answer is a call.

    Args:
        known: Whether there is a tool of a name; an answer that calls another one is text.
    """

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known, self._text, self._shown = known, "", 0

    def push(self, text: str, *, last: bool) -> tuple[str, tuple[Call, ...]]:
        """Add text; return what may be shown, and at the end the calls."""
        self._text += text
        calls: tuple[Call, ...] = ()
        end = self._safe()
        if last:
            words, found = split_calls(self._text)
            called = bool(found) and all(not call.fault and self._known(call.name) for call in found)
            calls, end = (tuple(found), len(words)) if called else ((), len(self._text))
        shown = self._text[self._shown : end]
        self._shown = max(self._shown, end)
        return shown, calls

    def _safe(self) -> int:
        """How much of the text is shown whatever follows: nothing from where a call may begin, nor blanks before it."""
        text = self._text
        starts = [at for mark in MARKS if (at := text.find(mark)) >= 0]
        starts += [len(text) - size for mark in MARKS if (size := _begun(text, mark))]
        at = 0
        for line in text.splitlines(keepends=True):
            if line.lstrip().startswith(("{", "[")):
                starts.append(at)
                break
            at += len(line)
        return len(text[: min(starts, default=len(text))].rstrip())


class Choice:
    """A text of an answer.

    Args:
        places: Where its tokens begin.
        trim: Leaves out what the template writes around it; None for a continuation.
        calls: Finds calls of tools; None without tools.
        ended: Whether the token that ends the text has its log-probability in the answer, as in completions.
        start: Characters in front of it, those of the prompt.
    """

    def __init__(
        self,
        places: Places,
        *,
        trim: Trim | None = None,
        calls: Calls | None = None,
        ended: bool = False,
        start: int = 0,
    ) -> None:
        self._places, self._trim, self._calls, self._ended = places, trim, calls, ended
        self._waiting: list[Placed] = []
        self._received = start  # characters
        self.tokens = 0

    def push(self, update: Update) -> Piece:
        """Add what the engine delivers; return what may be shown."""
        self.tokens += len(update.tokens)
        self._received += len(update.text)
        self._waiting += self._places.place(update.scores)
        text, calls, last = update.text, (), bool(update.reason)
        if self._trim is not None:
            text = self._trim.push(text, last=last)
        if self._calls is not None:
            text, calls = self._calls.push(text, last=last)
        reason = "tool_calls" if calls else REASONS.get(update.reason, "")
        return Piece(text, tuple(self._shown(update.reason)), calls, reason)

    def _shown(self, reason: str) -> list[Placed]:
        """The tokens that begin in the text that is known; at the end all, without those that only end it."""
        if reason == "length" or (reason == "stop_token" and self._ended):
            shown, self._waiting = self._waiting, []
            return shown
        shown = [each for each in self._waiting if each.start < self._received]
        self._waiting = self._waiting[len(shown) :]
        return shown


def _begun(text: str, whole: str) -> int:
    """Length of the longest end of a text that `whole` begins with."""
    return next((size for size in range(min(len(text), len(whole)), 0, -1) if text.endswith(whole[:size])), 0)
