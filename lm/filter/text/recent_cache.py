"""Cache of results about recent texts, which several filters share within a batch."""

from collections.abc import Callable
from typing import Generic, TypeVar

CAPACITY = 1_000_000  # characters: twice the batch that `judge` gives to a filter

Result = TypeVar("Result")


class RecentCache(Generic[Result]):
    """Call `compute` once per text object until `capacity` characters of other texts have come after it."""

    def __init__(self, compute: Callable[[str], Result], *, capacity: int = CAPACITY):
        self.compute, self.capacity = compute, capacity
        self._results: dict[int, tuple[str, Result]] = {}  # by identity; holding the text keeps its id from reuse
        self._characters = 0

    def __call__(self, text: str) -> Result:
        known = self._results.get(id(text))
        if known is not None:
            return known[1]
        result = self.compute(text)
        self.put(text, result)
        return result

    def __contains__(self, text: str) -> bool:
        return id(text) in self._results

    def put(self, text: str, result: Result) -> None:
        """Store a result that was computed together with those of other texts, which is faster."""
        if text in self:
            return
        self._characters += len(text)
        while self._characters > self.capacity and self._results:
            oldest, _ = self._results.pop(next(iter(self._results)))
            self._characters -= len(oldest)
        self._results[id(text)] = text, result
