"""What a model costs: parameters, arithmetic and memory, counted from its parts before anything is trained."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lm.model.transformer import Transformer


def vocabulary_cost(model: Callable[..., Transformer], *, vocab_size: int, bytes_per_token: float) -> dict[str, Any]:
    """The price of a vocabulary for a model, per byte of text, so that vocabularies of any kind compare.

    Training FLOPs are 6 a weight and token (Kaplan et al. 2020, arXiv:2001.08361), the table of embeddings being looked
    up and not multiplied, and 6 × layers × context × width for attention under a causal mask. Nothing is allocated.
    """
    with torch.device("meta"):
        network = model(vocab_size=vocab_size)
    parameters = sum(weight.numel() for weight in network.parameters())
    tables = network.embedding.weight.numel() * (1 if network.output is None else 2)
    weights = sum(part.weight.numel() for part in network.blocks.modules() if isinstance(part, nn.Linear))
    widths = sum(block.attention.heads * block.attention.head_dim for block in network.blocks)
    softmax = 6 * network.output_weight.numel()
    flops = 6 * weights + 6 * widths * network.context + softmax
    return {
        "parameters": parameters,
        "table_share": tables / parameters,
        "flops_per_byte": flops / bytes_per_token,
        "softmax_share": softmax / flops,
        "logits_bytes": 4 * network.context * vocab_size,  # of one row in fp32, were they held at once
        "context_bytes": network.context * bytes_per_token,
    }
