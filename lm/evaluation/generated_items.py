"""Items that are generated rather than read: no file, on every machine, the same in every run."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from lm.bounds import Count
from lm.conversation.sources.draw import Draw
from lm.conversation.sources.records import Records
from lm.evaluation.items import Item, ItemReader

PAIRS = {"(": ")", "[": "]", "{": "}"}


class GeneratedItems(ItemReader):
    """Items by number; a subclass makes one. The path of their task is a name for messages.

    Args:
        count: Number of items.
    """

    def __init__(self, *, count: Count = 200):
        super().__init__()
        self.count = count

    @abstractmethod
    def item(self, draw: Draw) -> dict[str, Any]:
        """Return the fields of an item, drawn by `draw`."""

    @abstractmethod
    def settings(self) -> list:
        """Return what determines the items besides their number, as plain data."""

    def records(self, path: str | Sequence[str], *, key: str) -> Records:
        return _GeneratedRecords(self, f"{path}")

    def read(self, path: str | Sequence[str], *, key: str) -> Iterator[Item]:
        for place, fields in self.records(path, key=key):
            yield Item(fields, place)


class _GeneratedRecords(Records):
    def __init__(self, reader: GeneratedItems, name: str):
        self.reader, self.name = reader, name

    def __iter__(self) -> Iterator[tuple[str, dict]]:
        for number in range(self.reader.count):
            place = f"{self.name} {number + 1}"
            yield place, self.reader.item(Draw(f"{type(self.reader).__name__} {number}"))

    def identity(self) -> list:
        return [type(self.reader).__name__, self.reader.count, *self.reader.settings()]


class Brackets(GeneratedItems):
    """Rows of brackets (Dyck words) and which bracket must be closed next: fields query, choices, gold.

    Args:
        count: Number of items.
        depth: Brackets that are open at the end, at most; at least one is.
        pairs: Closed pairs before and between, at most.
    """

    def __init__(self, *, count: Count = 200, depth: Count = 4, pairs: Count = 3):
        super().__init__(count=count)
        self.depth, self.pairs = depth, pairs

    def settings(self) -> list:
        return [self.depth, self.pairs]

    def item(self, draw: Draw) -> dict[str, Any]:
        openings, text, open_now = [*PAIRS], "", []
        for level in range(1 + draw("depth", self.depth)):
            open_now.append(draw.pick(f"open {level}", openings))
            text += open_now[-1]
            for number in range(draw(f"pairs {level}", self.pairs + 1)):
                pair = draw.pick(f"pair {level} {number}", openings)
                text += pair + PAIRS[pair]
        return {"query": text, "choices": [*PAIRS.values()], "gold": openings.index(open_now[-1])}


class SumItems(GeneratedItems):
    """Additions and four numbers to choose from, all near the sum: fields query, choices, gold.

    Args:
        count: Number of items.
        digits: Digits of a number, at most.
    """

    def __init__(self, *, count: Count = 200, digits: Count = 2):
        super().__init__(count=count)
        self.digits = digits

    def settings(self) -> list:
        return [self.digits]

    def item(self, draw: Draw) -> dict[str, Any]:
        left, right = (draw(side, 10**self.digits) for side in ("left", "right"))
        total = left + right
        near = [f"{value}" for value in (total, total + 1, total + 10, abs(total - 2))]
        choices = draw.shuffled("choices", near)
        return {"query": f"{left} + {right} =", "choices": choices, "gold": choices.index(near[0])}
