"""What a format of other programs is, and what a format is given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm.model import Transformer
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Published:
    """A trained model with all that other programs need of it. What costs time is computed when it is asked for.

    Args:
        outline: The model without its weights, to check what a format can hold.
        build: Reads the model with its weights, adapters merged.
        description: The architecture, as model.json has it.
        unmerged: Reads the model with its weights, adapters beside the weights that they change.
        tokenizer: The model's tokenizer.
        ends: Ids that end what the model generates: that of a document first, then those of a turn.
        opens: Whether a prompt, or a chat where the model was tuned on them, begins with the tokenizer's beginning.
        chat_template: Returns the chat template in Jinja; None for a model that was never tuned on conversations.
        files: Returns the files with which transformers opens the tokenizer: name → content.
        template: The template that the model was tuned in, as conversation.json has it; None for a model that was not.
    """

    outline: Transformer
    build: Callable[[], Transformer]
    description: Mapping[str, Any]
    unmerged: Callable[[], Transformer]
    tokenizer: Tokenizer
    ends: Sequence[int]
    opens: bool
    chat_template: Callable[[], str | None]
    files: Callable[[], Mapping[str, str]]
    template: Mapping[str, Any] | None = None


class Format(ABC):
    """A format of other programs."""

    @abstractmethod
    def write(self, folder: Path, published: Published) -> tuple[list[Path], list[str]]:
        """Write a model to a folder.

        Returns:
            The files, and what other programs do otherwise, one line each.

        Raises:
            ValueError: The format cannot hold the model or its tokenizer, found before its weights are read.
        """
