"""What was found out about texts a moment ago: several filters ask the same of each of a batch of texts."""

from collections.abc import Callable
from typing import Generic, TypeVar

ROOM = 1_000_000  # characters: twice what `judge` takes at once

Found = TypeVar("Found")


class Recent(Generic[Found]):
    """`find`, asked once of a text for as long as no `room` characters of others came after it."""

    def __init__(self, find: Callable[[str], Found], *, room: int = ROOM):
        self.find, self.room = find, room
        self._found: dict[int, tuple[str, Found]] = {}  # by identity; a text that is kept here keeps its own
        self._characters = 0

    def __call__(self, text: str) -> Found:
        known = self._found.get(id(text))
        if known is not None:
            return known[1]
        found = self.find(text)
        self.keep(text, found)
        return found

    def __contains__(self, text: str) -> bool:
        return id(text) in self._found

    def keep(self, text: str, found: Found) -> None:
        """For who found it out together with what there is to know of other texts, which is faster."""
        if text in self:
            return
        self._characters += len(text)
        while self._characters > self.room and self._found:
            oldest, _ = self._found.pop(next(iter(self._found)))
            self._characters -= len(oldest)
        self._found[id(text)] = text, found
