"""The contract of every chat template: a conversation in, tokens and a supervision mask out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

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


class Template(ABC):
    """How turns are written as tokens. A model must be prompted in the template it was trained with.

    `takes_tools` says whether it writes the tools of a conversation itself; for others they stand in the system turn.
    `separates_answers` says whether it always encodes an answer apart from the text before it.
    `writes_calls` says whether it writes tool calls in a form of its own; for others they are JSON in the content.
    """

    takes_tools: bool = False
    separates_answers: bool = True
    writes_calls: bool = False

    @abstractmethod
    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> EncodedConversation:
        """Encode a whole conversation for training; the answers that are learned are supervised.

        Raises:
            ValueError: The conversation fails its check, or the format cannot express it; with place and turn.
        """

    def parts(self, conversation: Conversation, tokenizer: Tokenizer) -> list[Conversation]:
        """Split a conversation so that `encode` writes each answer as chat would; most formats keep it whole.

        Raises:
            ValueError: The conversation fails its check, or the format cannot express it; with place and turn.
        """
        return [conversation]

    @abstractmethod
    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer, *, tools: Sequence[dict] = ()) -> list[int]:
        """Encode the conversation so far, up to where the assistant's answer begins.

        Args:
            messages: The turns so far.
            tokenizer: Encodes them.
            tools: The tools of the conversation, for a template that takes them.
        """

    @abstractmethod
    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        """Return the tokens that end a reply; the first is the one that ends supervised answers without tool calls."""

    def end_tokens(self, tokenizer: Tokenizer) -> list[int]:
        """Return the tokens that end supervised answers: the usual one, and that of tool calls where it differs."""
        return self.stop_tokens(tokenizer)[:1]

    @abstractmethod
    def describe(self) -> dict:
        """Return plain data that rebuilds this template on any machine: `_target_` and its arguments."""

    @abstractmethod
    def answer(self, conversation: Conversation, number: int, tokenizer: Tokenizer) -> str:
        """Return the answer in turn `number`, counted from 1, as written between its prompt and its stop token."""

    def around(self, tokenizer: Tokenizer) -> tuple[str, str]:
        """Return the text that the template writes before and after the content of an answer, within the reply."""
        return "", ""

    def content(self, reply: str, tokenizer: Tokenizer) -> str:
        """Return the content of a reply that a model generated: without what the template writes around contents."""
        before, after = self.around(tokenizer)
        return reply.removeprefix(before).removesuffix(after)

    def jinja(self, tokenizer: Tokenizer, *, boundary: str = "") -> str:
        """Return the chat_template, in Jinja, with which other programs write conversations as this template does.

        Args:
            tokenizer: The tokenizer that is exported with it.
            boundary: Character that stands where an answer begins after text, at which the exported tokenizer splits;
                "" for none.

        Raises:
            ValueError: It cannot be written in Jinja.
        """
        raise ValueError(
            f"{target_of(self)} has no form in Jinja, which other programs read: give it a method jinja, or use a "
            "template of conf/conversation"
        )

    def as_recorded(self, description: dict) -> "Template":
        """Return it with the date of a recorded template that is the same but for its date; else itself."""
        return self

    def special_tokens(self, tokenizer: Tokenizer) -> dict[str, int]:
        """Return the special tokens that the template may write."""
        return tokenizer.special_tokens


def target_of(template: Template) -> str:
    """Return the import path of a template's class, as `_target_` names it."""
    return f"{type(template).__module__}.{type(template).__qualname__}"
