"""The same messages to several models: what each answers, one below the other."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from lm.conversation import RecordedTemplate, Template
from lm.interchange import load_model
from lm.model import Transformer
from lm.process.signals import forget_signals
from lm.tokenizer import Tokenizer, load_tokenizer


class Replying(Protocol):
    """A conversation with a model."""

    note: str  # what the last prompt had to leave out

    def reply(self, content: str) -> Iterator[str]: ...

    def retry(self) -> Iterator[str]: ...

    def reset(self) -> None: ...


class Chats:
    """One conversation, or the same with several models side by side.

    Args:
        conversations: The conversation with each model.
        names: What stands before the answers of each; empty for one model.
    """

    def __init__(self, conversations: Sequence[Replying], *, names: Sequence[str] = ()):
        self.conversations, self.names = conversations, names

    def reset(self) -> None:
        """Start a new conversation with each model."""
        for each in self.conversations:
            each.reset()

    def answer(self, content: str, *, label: str) -> None:
        """Print the reply of each model as it is generated, with its name, or `label` for a single one."""
        self._print([each.reply(content) for each in self.conversations], label)

    def answer_again(self, *, label: str) -> None:
        """Print another reply of each model to the last message, in place of the one before.

        Raises:
            ValueError: Nothing was asked yet.
        """
        self._print([each.retry() for each in self.conversations], label)

    def _print(self, replies: Sequence[Iterator[str]], label: str) -> None:
        width = max(map(len, self.names), default=0)
        for name, conversation, pieces in zip(self.names or [None], self.conversations, replies, strict=True):
            print(label if name is None else f"{name:<{width}}  ", end="", flush=True)
            _answer(conversation, pieces)


def opened(path: str) -> tuple[Transformer, Tokenizer, Template]:
    """The model, tokenizer and template of the run at `beside`."""
    try:
        network = load_model(path)
    except ValueError as error:
        raise ValueError(str(error).replace("model.path", "beside")) from error
    return network, load_tokenizer(path), RecordedTemplate(path).resolve(None)


def names_of(paths: Sequence[str | Path]) -> list[str]:
    """The last parts of paths, as many as tell them apart: instruct/default and align/default."""
    parts = [Path(path).absolute().parts for path in paths]
    depth = 1
    while len({each[-depth:] for each in parts}) < len({*parts}):
        depth += 1
    return ["/".join(each[-depth:]) for each in parts]


def _answer(conversation: Replying, pieces: Iterator[str]) -> None:
    """Print a reply as it is generated, then what its prompt had to leave out."""
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
    except KeyboardInterrupt:
        forget_signals()
        pieces.close()
        print(" (stopped)")
    if conversation.note:
        print(f"({conversation.note})")
