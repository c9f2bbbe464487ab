"""Choose the weights of a model that train; the others are frozen."""

from collections.abc import Sequence

from torch import nn

from lm.model.names import match_names, prefixes
from lm.model.quantised import Quantised


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Freeze the weights that a pattern names.

    If the frozen layers come first, their backward pass is skipped too, with most activations that it would need.

    Args:
        model: The model, changed in place.
        patterns: A weight, as `blocks.0.attention.query.weight`, or a part, as `blocks.0` or `*norm`. `embedding` is
            also the output if the two are tied.

    Raises:
        ValueError: A pattern names nothing, or nothing is left to train.
    """
    for weight in _weights(model, patterns, key="model.freeze"):
        weight.requires_grad = False
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError(f"model.freeze: {', '.join(patterns)} leaves nothing to train: name fewer parts")


def thaw(model: nn.Module, patterns: Sequence[str], *, key: str) -> None:
    """Train the weights that a pattern names, and no others."""
    model.requires_grad_(False)
    for weight in _weights(model, patterns, key=key):
        weight.requires_grad = True


def _weights(model: nn.Module, patterns: Sequence[str], *, key: str) -> list[nn.Parameter]:
    stored = {id(part) for layer in model.modules() if isinstance(layer, Quantised) for part in layer.stored}
    weights = {name: weight for name, weight in model.named_parameters() if id(weight) not in stored}
    return [weights[name] for name in match_names(patterns, weights, key=key, forms=prefixes)]
