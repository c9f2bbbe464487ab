"""AdamW as language models use it: matrices decay, vectors and embeddings do not."""

import torch
from torch import nn

from lm.bounds import BelowOne, NonNegative, Positive


def adamw(
    model: nn.Module,
    *,
    learning_rate: Positive,
    weight_decay: NonNegative = 0.1,
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.95),
    epsilon: Positive = 1e-8,
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) over what trains, in two groups by whether weights decay.

    Decay pulls on the scale of matrices, which normalisation makes redundant; norms, biases and embedding rows
    have no such redundancy. Fused: one kernel a step, also on the CPU.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decays = [p for p in trained if p.ndim >= 2 and id(p) not in embeddings]
    keeps = [p for p in trained if p.ndim < 2 or id(p) in embeddings]
    groups = [
        {"params": decays, "weight_decay": weight_decay},
        {"params": keeps, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=learning_rate,
        betas=betas,
        eps=epsilon,
        fused=True,
    )
