"""Which weights of a model train, and which stay as they are."""

from collections.abc import Sequence

from torch import nn

from lm.model.names import beginnings, named
from lm.model.quantised import Quantised


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Train nothing that a pattern names: one weight, as `blocks.0.attention.query.weight`, or a part, as `blocks.0`.

    `embedding` is also the output where the two are tied. Where frozen layers come first, their backward pass is saved
    too, and most of what their forward pass would keep for it.
    """
    for weight in _named(model, patterns, key="model.freeze"):
        weight.requires_grad = False
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError(f"model.freeze: {', '.join(patterns)} leaves nothing to train: name fewer parts")


def thaw(model: nn.Module, patterns: Sequence[str], *, key: str) -> None:
    """Train what a pattern names, and nothing else."""
    model.requires_grad_(False)
    for weight in _named(model, patterns, key=key):
        weight.requires_grad = True


def _named(model: nn.Module, patterns: Sequence[str], *, key: str) -> list[nn.Parameter]:
    stored = {id(part) for layer in model.modules() if isinstance(layer, Quantised) for part in layer.stored}
    weights = {name: weight for name, weight in model.named_parameters() if id(weight) not in stored}
    return [weights[name] for name in named(patterns, weights, key=key, forms=beginnings)]
