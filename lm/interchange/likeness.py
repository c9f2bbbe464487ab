"""Whether two models compute the same, their weights aside: so that an export is what was trained, or is refused."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from lm.model import Transformer

UNCOMPARED = {"training", "dropout", "p", "z_loss", "in_features", "out_features", "num_embeddings", "embedding_dim"}
Facts = dict[str, Any]


def difference(model: Transformer, other: Transformer) -> str:
    """Return the first part in which two models differ, in words; empty where they compute the same.

    Weights and dropout are not compared.
    """
    ours, theirs = dict(_facts(model)), dict(_facts(other))
    for key in dict.fromkeys([*ours, *theirs]):
        if ours.get(key) != theirs.get(key):
            return f"{key} is {_said(ours.get(key))}, there {_said(theirs.get(key))}"
    return ""


def _facts(model: Transformer) -> Iterator[tuple[str, Any]]:
    """Every module with its class and settings, and the shape of every weight."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout | nn.Identity):
            continue
        yield name or "model", type(module).__name__
        for key, value in _settings(module):
            yield f"{name}.{key}".removeprefix("."), value
    for name, weight in model.state_dict().items():
        yield f"shape of {name}", [*weight.shape]


def _settings(module: nn.Module) -> Iterator[tuple[str, Any]]:
    for key, value in vars(module).items():
        if key.startswith("_") or key in UNCOMPARED:
            continue
        yield key, _plain(value)


def _plain(value: Any) -> Any:
    """Numbers and texts as they are, other objects by their class and settings."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return float(f"{value:.12g}")  # a scale that went through JSON
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    return {"": type(value).__name__, **{key: _plain(each) for key, each in sorted(vars(value).items())}}


def _said(value: Any) -> str:
    return "absent" if value is None else str(value)
