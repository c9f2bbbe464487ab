"""The contract of every source of judged answers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from lm.conversation.preference import Judged


class PreferenceSource(ABC):
    """Pairs or labelled answers in a fixed order, read again at each iteration; one source has one kind.

    `notes` lists what the last complete reading changed or left out, one sentence each.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def __iter__(self) -> Iterator[Judged]:
        """Yield each pair or labelled answer in order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of everything that determines them."""
