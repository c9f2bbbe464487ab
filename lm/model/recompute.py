"""Activation checkpointing: recompute activations instead of storing them."""

from functools import partial

from torch.utils.checkpoint import checkpoint

from lm.model.transformer import Transformer


def recompute_activations(model: Transformer) -> None:
    """Store only the input of each block; the backward pass computes the other activations again.

    A third more arithmetic, for the activations of one block instead of all (Chen et al. 2016, arXiv:1604.06174).
    Dropout draws the same values again, so training is unchanged. Only `block.forward` is replaced, inside the hooks of
    sharding, and the names of weights stay.
    """
    for block in model.blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
