"""What becomes of a document on its way through filters, followed step by step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lm.corpus.document import Document, Dropped

Filter = Callable[[Document], Document | Dropped]


class Unique(ABC):
    """A step that keeps the first of the documents that share a key.

    What comes after it may still drop the one that was kept, so such steps stand last.
    """

    reason: str

    @abstractmethod
    def keys(self, document: Document) -> list[bytes]:
        """By what it is known; one in common with a document before is enough."""


@dataclass(frozen=True)
class Fate:
    """A document as it leaves the steps, or where and why it was dropped.

    `sizes` are the bytes of its text before the first step and after each that let it pass, `changed` the steps that
    changed it, `keys` what each `Unique` step knows it by.
    """

    document: Document | None
    sizes: tuple[int, ...]
    changed: tuple[int, ...] = ()
    dropped: Dropped | None = None
    keys: tuple[tuple[int, list[bytes]], ...] = ()

    def dropped_at(self, step: int, dropped: Dropped) -> "Fate":
        """What it is when an earlier step than was thought drops it."""
        changed = tuple(each for each in self.changed if each < step)
        return Fate(None, self.sizes[: step + 1], changed, dropped, self.keys)


def follow(document: Document, steps: Sequence[Filter | Unique]) -> Fate:
    """Take a document through all steps. What `Unique` ones make of it depends on the others: they only give keys."""
    sizes, changed, keys = [len(document.text.encode())], [], []
    for number, step in enumerate(steps):
        if isinstance(step, Unique):
            keys.append((number, step.keys(document)))
        else:
            result = step(document)
            if isinstance(result, Dropped):
                return Fate(None, tuple(sizes), tuple(changed), result, tuple(keys))
            if result is not document and result.text != document.text:
                changed.append(number)
                sizes.append(len(result.text.encode()))
                document = result
                continue
            document = result
        sizes.append(sizes[-1])
    return Fate(document, tuple(sizes), tuple(changed), None, tuple(keys))
