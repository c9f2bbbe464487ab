"""AdamW for language models: matrices decay, vectors and embeddings do not."""

import torch
from torch import nn

from lm.bounds import BelowOne, NonNegative, Positive
from lm.optimizer.torch_class import decay_groups


def adamw(
    model: nn.Module,
    *,
    learning_rate: Positive,
    weight_decay: NonNegative = 0.1,
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.95),
    epsilon: Positive = 1e-8,
) -> torch.optim.AdamW:
    """Build AdamW (Loshchilov and Hutter 2019) over the trained weights, in two groups: with decay and without.

    Decay shrinks the scale of matrices, which normalisation makes redundant; norms, biases and embedding rows have no
    such redundancy. The implementation is fused: one kernel per step, also on the CPU.

    Args:
        model: The model whose weights train.
        learning_rate: Peak learning rate; the schedule multiplies it. Higher for small models: `lm.config.ladder`.
        weight_decay: Decay of matrices, multiplied by the learning rate at each step; 0.1 as in GPT-3 and Llama.
        betas: Decay rates of the moving averages of gradient and squared gradient; 0.95 reacts faster than torch's
            0.999, as in GPT-3 and Llama.
        epsilon: Added to the root of the squared gradient.
    """
    decays, keeps = decay_groups(model)
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
