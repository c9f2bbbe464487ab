"""What a model is, as facts that architectures of llama.cpp are compared with: key of the config → value, in words."""

from collections.abc import Hashable, Iterable, Sequence

import torch
from torch import nn

from lm.model import Experts, Rotary, Transformer, YarnScaling


def facts_of(model: Transformer) -> dict[str, Hashable]:
    """Return the facts about a model."""
    attentions = [block.attention for block in model.blocks]
    windows = windows_of(model)
    return {
        "block": _common(type(block).__name__ for block in model.blocks),
        "norm": _norm(model.norm),
        "norm.eps": "equal" if len({eps_of(each) for each in _norms(model)}) == 1 else "of several sizes",
        "feedforward": _common(_feedforward(block.feedforward) for block in model.blocks),
        "attention.heads": "equal" if len({each.heads for each in attentions}) == 1 else "of several numbers",
        "attention.key_value_heads": "heads" if attentions[0].key_value_heads == attentions[0].heads else "fewer",
        "attention.head_dim": _common(_share(each, model) for each in attentions),
        "attention.bias": _common(_biased(each) for each in attentions),
        "attention.query_key_norm": _common(_query_key_norm(each) for each in attentions),
        "attention.window": "null" if not any(windows) else "a number" if period_of(windows) else str(windows),
        "attention.cap": _common("null" if each.cap is None else "a number" for each in attentions),
        "position": _positions(model, windows),
        "position.scaling": _common(_scaling(each) for each in model.positions),
        "position.fraction": _common(_fraction(each, attentions[0].head_dim) for each in model.positions),
        "position_embedding": type(model.position_embedding).__name__ if model.position_embedding else "null",
        "ngrams": "null" if model.ngrams is None else "tables",
        "scale_embeddings": "true" if model.embedding_scale else "false",
        "logit_cap": "null" if model.logit_cap is None else "a number",
        "tie_embeddings": "true" if model.output is None else "false",
        "head": "null" if model.head is None else "a score",
    }


def eps_of(norm: nn.Module) -> float:
    """Return what a norm adds to the mean square; null in torch is the precision of fp32."""
    return torch.finfo(torch.float32).eps if norm.eps is None else norm.eps


def _norms(model: Transformer) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.RMSNorm | nn.LayerNorm)]


def windows_of(model: Transformer) -> list[int]:
    """Return the window of each layer; 0 for none, or one as long as the context."""
    windows = [block.attention.window or 0 for block in model.blocks]
    return [window if window < model.context else 0 for window in windows]


def period_of(windows: Sequence[int]) -> int:
    """Return after how many layers one without a window follows, as llama.cpp counts; 0 if they stand otherwise."""
    sizes = {window for window in windows if window}
    periods = range(2, len(windows) + 2) if len(sizes) == 1 else ()
    matching = (p for p in periods if all(bool(w) == (n % p < p - 1) for n, w in enumerate(windows)))
    return next(matching, 0)


def position_of(model: Transformer, layer: int) -> nn.Module:
    """Return how a layer rotates."""
    return model.positions[layer % len(model.positions)]


def _positions(model: Transformer, windows: Sequence[int]) -> str:
    """Whether all layers rotate alike, those with a window otherwise, or those of a cycle of 4 not at all."""
    numbers = [layer % len(model.positions) for layer in range(len(windows))]
    names = [type(model.positions[number]).__name__ for number in numbers]
    used = {_angles(model.positions[number]) for number in numbers}
    if len(used) == 1:
        return names[0]
    if "NoPosition" in names and names == ["NoPosition" if layer % 4 == 3 else "Rotary" for layer in range(len(names))]:
        rotating = {angles for angles in used if angles}
        return "Rotary, null in every 4th layer" if len(rotating) == 1 else str(names)
    kinds = {bool(window): set() for window in windows}
    for number, window in zip(numbers, windows, strict=True):
        kinds[bool(window)].add(_angles(model.positions[number]))
    apart = all(len(kind) == 1 for kind in kinds.values()) and set(names) == {"Rotary"}
    return "Rotary, another with a window" if apart else str(names)


def _angles(position: nn.Module) -> Hashable:
    """The settings in which two rotations may differ."""
    if not isinstance(position, Rotary):
        return None
    return position.theta, position.rotated, position.scaling and str(vars(position.scaling)), _scaling(position)


def _scaling(position: nn.Module) -> str:
    scaling = position.scaling if isinstance(position, Rotary) else None
    if scaling is None:
        return "null"
    whole = not isinstance(scaling, YarnScaling) or scaling.truncate  # llama.cpp blends from whole pair to whole pair
    return type(scaling).__name__ if whole else "YarnScaling with truncate=false"


def _fraction(position: nn.Module, head_dim: int) -> str:
    return "1" if not isinstance(position, Rotary) or position.rotated == head_dim else "a part"


def _common(values: Iterable[Hashable]) -> Hashable:
    """Return the value of all, or those that occur."""
    each = dict.fromkeys(values)
    return next(iter(each)) if len(each) == 1 else " and ".join(map(str, each))


def _norm(norm: nn.Module) -> str:
    """The kind of a norm. A centred one is an ordinary one whose weights are 1 more."""
    return {"CentredRMSNorm": "RMSNorm"}.get(type(norm).__name__, type(norm).__name__)


def _feedforward(part: nn.Module) -> str:
    if isinstance(part, Experts):
        share = "" if part.renormalise else " without renormalise"
        return f"Experts of {_feedforward(part.experts[0])}{share}{' and a shared one' if part.shared else ''}"
    name = type(part).__name__
    return f"{name} with bias" if part.down.bias is not None else name


def _biased(attention: nn.Module) -> str:
    given = tuple(matrix.bias is not None for matrix in (attention.query, attention.output))
    return {(False, False): "none", (True, False): "queries, keys and values", (True, True): "all"}.get(given, "output")


def _query_key_norm(attention: nn.Module) -> str:
    if isinstance(attention.query_norm, nn.Identity):
        return "false"
    return f"{_norm(attention.query_norm)} {'across heads' if attention.norm_across_heads else 'of each head'}"


def _share(attention: nn.Module, model: Transformer) -> str:
    return "dim / heads" if attention.heads * attention.head_dim == model.embedding.embedding_dim else "another"
