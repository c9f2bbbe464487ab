"""Where conversations come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from lm.conversation.conversation import Conversation


class ConversationSource(ABC):
    """Conversations in an order that never changes, read anew at each iteration.

    `notes` says in words what the last full reading had to change or leave out.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def __iter__(self) -> Iterator[Conversation]:
        """Each conversation, in order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of everything the conversations are made from."""
