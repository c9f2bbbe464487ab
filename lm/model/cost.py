"""Cost of a model: parameters, arithmetic and memory, counted from its parts before training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lm.model.adapter import LowRank
from lm.model.experts import Router, sparse_layers
from lm.model.quantised import Quantised
from lm.model.transformer import Transformer


@dataclass(frozen=True)
class Cost:
    """Parameters of a model and floating-point operations of training it, by part.

    A weight costs 6 FLOPs per token: 2 in the forward pass, 2 for the gradient of its input and 2 for its own, which a
    frozen weight does not need (Kaplan et al. 2020, arXiv:2001.08361). Embeddings are looked up and cost nothing.
    Attention adds 6 × layers × context × width, half the count of Chowdhery et al. (2022, arXiv:2204.02311, appendix B)
    count: under a causal mask the other half is not computed. A layer with a window of W tokens counts W × (2 − W /
    context) in place of context.
    """

    parameters: int
    trained: int
    embeddings: int  # with those of n-grams, and the output, if it is not tied
    active: int  # weights that a token is multiplied with; of experts, those that it is sent to
    frozen: int  # active weights that do not train
    attention_flops: int  # per token of a full row
    softmax_flops: int  # per token, to score the vocabulary

    @property
    def flops_per_token(self) -> int:
        return 6 * self.active - 2 * self.frozen + self.attention_flops


def model_cost(model: Transformer) -> Cost:
    """Count the cost of `model`, which may be on the meta device."""
    matrices = _matrices(model)
    stored = [layer for layer in model.modules() if isinstance(layer, Quantised)]
    packed = sum(layer.in_features * layer.out_features - sum(map(Tensor.numel, layer.stored)) for layer in stored)
    extra = 0 if model.ngrams is None else model.ngrams.weight.numel()
    return Cost(
        parameters=sum(weight.numel() for weight in model.parameters()) + packed,
        trained=sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        embeddings=model.embedding.weight.numel() * (1 if model.output is None else 2) + extra,
        active=round(sum(size for size, _ in matrices)),
        frozen=round(sum(size for size, trained in matrices if not trained)),
        attention_flops=sum(_attention_flops(block.attention, model.context) for block in model.blocks),
        softmax_flops=6 * model.output_weight.numel(),
    )


def _attention_flops(attention: nn.Module, context: int) -> int:
    """Return what a layer's attention costs per token of a full row, which a window makes cheaper."""
    seen = context if attention.window is None else min(attention.window, context)
    return 6 * attention.heads * attention.head_dim * seen * (2 * context - seen) // context


def _matrices(model: Transformer) -> list[tuple[float, bool]]:
    """Return the weights of each matrix that a token is multiplied with, and whether they train.

    Those of an expert count by the share of tokens that it gets where the load is even.
    """
    found: list[tuple[float, bool]] = [(model.output_weight.numel(), model.output_weight.requires_grad)]
    shares = {
        part: layer.top / len(layer.experts)
        for layer in sparse_layers(model)
        for expert in layer.experts
        for part in expert.modules()
    }
    for part in model.blocks.modules():
        share = shares.get(part, 1)
        if isinstance(part, nn.Linear | Router):
            found.append((share * part.weight.numel(), part.weight.requires_grad))
        elif isinstance(part, Quantised):
            found.append((share * part.in_features * part.out_features, False))
        elif isinstance(part, LowRank):
            found += [(share * weight.numel(), weight.requires_grad) for weight in (part.down, part.up)]
    return found


def vocabulary_cost(model: Callable[..., Transformer], *, vocab_size: int, bytes_per_token: float) -> dict[str, Any]:
    """Count the cost of a vocabulary for a model per byte of text, which compares vocabularies of any kind.

    Args:
        model: Factory of the model; it is built on the meta device.
        vocab_size: Tokens of the vocabulary.
        bytes_per_token: Measured on the text in question.
    """
    with torch.device("meta"):
        network = model(vocab_size=vocab_size)
    cost = model_cost(network)
    return {
        "parameters": cost.parameters,
        "table_share": cost.embeddings / cost.parameters,
        "flops_per_byte": cost.flops_per_token / bytes_per_token,
        "softmax_share": cost.softmax_flops / cost.flops_per_token,
        "logits_bytes": 4 * network.context * vocab_size,  # of one row in fp32, if held at once
        "context_bytes": network.context * bytes_per_token,
    }
