"""Parts of a user's own package, for the tests of what a run may load."""

from typing import ClassVar

from lightning.pytorch.loggers.logger import Logger
from torch import Tensor, nn

from lm.conversation import RoleTokenTemplate
from lm.data.pretraining import PretrainingData
from lm.tokenizer import Tokenizer, load_tokenizer


class OneMatrix(nn.Module):
    """A feedforward of one matrix; `hidden` is what others have."""

    def __init__(self, dim: int, *, hidden: int | None = None, bias: bool = False) -> None:
        super().__init__()
        self.down = nn.Linear(dim, dim, bias=bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.down(inputs)


class Plain(RoleTokenTemplate):
    """A template that calls itself by its own name."""

    def describe(self) -> dict:
        return {"_target_": "support.own_parts.Plain"}


class OwnData(PretrainingData):
    """Rows from a corpus, in a way of its own."""


class OwnTokenizer(Tokenizer):
    """A tokenizer with a way of its own."""


def own_tokenizer(path: str) -> Tokenizer:
    """Return a tokenizer that no tokenizer.json describes."""
    return OwnTokenizer(load_tokenizer(path).content)


def plain_tokenizer(path: str) -> Tokenizer:
    """Return a tokenizer found in a way of its own."""
    return load_tokenizer(path)


class OwnLogger(Logger):
    """A logger that needs no directory."""

    logged: ClassVar[list[str]] = []
    name, version = "own", 0

    def log_metrics(self, metrics: dict, step: int | None = None) -> None:
        self.logged.extend(metrics)

    def log_hyperparams(self, params: dict) -> None:
        pass
