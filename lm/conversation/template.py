"""What every template promises."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from lm.conversation.conversation import Conversation, Message
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Encoded:
    """Tokens, and for each whether predicting it counts."""

    tokens: list[int]
    supervised: list[bool]


class Template(ABC):
    """How turns are written as tokens. A model must be talked to in the template that it was taught in."""

    @abstractmethod
    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> Encoded:
        """A whole conversation, to learn from."""

    @abstractmethod
    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        """The conversation so far, up to where the assistant speaks."""

    @abstractmethod
    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        """The tokens that end a reply, first the one that ends every answer learned from."""

    @abstractmethod
    def describe(self) -> dict:
        """Plain data that make the same template again, wherever it is read: its class as `_target_`, and arguments."""

    @abstractmethod
    def answer(self, content: str, tokenizer: Tokenizer) -> str:
        """An answer as it is written before its stop token: it may have other blanks at its ends, and no other word."""


def name_of(template: Template) -> str:
    """The full name of a template's class, which for one of ours begins with lm.conversation."""
    return f"{type(template).__module__}.{type(template).__qualname__}"
