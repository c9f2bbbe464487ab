"""The contract of every chat template: a conversation in, tokens and a supervision mask out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from lm.conversation.conversation import Conversation, Message
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class EncodedConversation:
    """The tokens of a conversation and their supervision mask.

    Args:
        tokens: Token ids [T].
        supervised: True where the loss counts the prediction of that token [T].
    """

    tokens: list[int]
    supervised: list[bool]

    def without_unsupervised(self, messages: Sequence[Message]) -> "EncodedConversation":
        """Return it with the answers that are not to be learned out of the mask; the mask must be validated."""
        if all(message.supervised for message in messages):
            return self
        answers = iter(message.supervised for message in messages if message.role == "assistant")
        supervised: list[bool] = []
        for in_answer, run in groupby(self.supervised):
            supervised += [in_answer and next(answers)] * len([*run])
        return EncodedConversation(self.tokens, supervised)


class Template(ABC):
    """How turns are written as tokens. A model must be prompted in the template it was trained with.

    `takes_tools` says whether it writes the tools of a conversation itself; for others they stand in the system turn.
    """

    takes_tools: bool = False

    @abstractmethod
    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> EncodedConversation:
        """Encode a whole conversation for training.

        Raises:
            ValueError: The conversation fails its check, or the format cannot express it; with place and turn.
        """

    @abstractmethod
    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        """Encode the conversation so far, up to where the assistant's answer begins."""

    @abstractmethod
    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        """Return the tokens that end a reply; the first is the one that ends every supervised answer."""

    @abstractmethod
    def describe(self) -> dict:
        """Return plain data that rebuilds this template on any machine: `_target_` and its arguments."""

    @abstractmethod
    def answer(self, content: str, tokenizer: Tokenizer) -> str:
        """Return an answer as written before its stop token: `content`, but for white space at its ends."""


def target_of(template: Template) -> str:
    """Return the import path of a template's class, as `_target_` names it."""
    return f"{type(template).__module__}.{type(template).__qualname__}"
