"""Rotary angles and the scale of scores as llama.cpp has them."""

import math
from typing import Any

import torch
from torch import Tensor

from lm.interchange.gguf.architecture import Architecture
from lm.interchange.gguf.facts import position_of, windows_of
from lm.model import LinearScaling, LongRoPEScaling, Rotary, Transformer

LARGE = {"gemma2": 46, "gemma3": 62}  # layers of the models of 27 billion weights, whose scores llama.cpp scales so


def score_factor(model: Transformer, architecture: Architecture, layer: int) -> float:
    """Return what queries are multiplied by, so that the scale of llama.cpp, 1 / √head_dim, becomes the layer's own."""
    attention = model.blocks[layer].attention
    if attention.scale is None:
        return 1.0
    large = len(model.blocks) == LARGE.get(architecture.name)
    size = model.embedding.embedding_dim // attention.heads if large else attention.head_dim
    return attention.scale * math.sqrt(size)


def rotary_fields(model: Transformer, architecture: Architecture) -> dict[str, Any]:
    """Return the fields of the rotary positions, without the architecture in front."""
    windows = windows_of(model)
    far = next((layer for layer, window in enumerate(windows) if not window), 0)
    position = position_of(model, far)
    if not isinstance(position, Rotary):
        return {}
    fields = {"rope.dimension_count": position.rotated, "rope.freq_base": float(position.theta)}
    if any(windows):
        near = position_of(model, next(layer for layer, window in enumerate(windows) if window))
        fields |= {"rope.freq_base_swa": float(near.theta)}
    scaling = position.scaling
    if scaling is None:
        return fields
    if isinstance(scaling, LongRoPEScaling):
        fields |= {"rope.scaling.type": "longrope", "rope.scaling.original_context_length": scaling.original_context}
        return fields | {"rope.scaling.attn_factor": float(scaling.attention_factor)}
    if architecture.frequencies:
        return fields | {"rope.scaling.attn_factor": float(scaling.attention_factor)}
    fields |= {"rope.scaling.factor": float(scaling.factor)}
    if isinstance(scaling, LinearScaling):
        return fields | {"rope.scaling.type": "linear"}
    usual = 0.1 * math.log(scaling.factor) + 1  # which llama.cpp multiplies by
    return fields | {
        "rope.scaling.type": "yarn",
        "rope.scaling.original_context_length": scaling.original_context,
        "rope.scaling.attn_factor": float(scaling.attention_factor / usual),
        "rope.scaling.yarn_beta_fast": float(scaling.fast),
        "rope.scaling.yarn_beta_slow": float(scaling.slow),
    }


def rotary_weights(model: Transformer, architecture: Architecture) -> dict[str, Tensor]:
    """Return the divisors of rotary frequencies, which llama.cpp reads as weights."""
    position = model.positions[0]
    scaling = position.scaling if isinstance(position, Rotary) else None
    if isinstance(scaling, LongRoPEScaling):
        pairs = {"long": scaling.long, "short": scaling.short}
        return {f"rope_factors_{name}.weight": torch.tensor(factors) for name, factors in pairs.items()}
    if scaling is None or not architecture.frequencies:
        return {}
    exponents = torch.arange(0, position.rotated, 2, dtype=torch.float32) / position.rotated
    plain = position.theta**-exponents
    scaled = scaling(plain, theta=position.theta, lengths=torch.ones(1, 1, 1))
    return {"rope_freqs.weight": plain / scaled}
