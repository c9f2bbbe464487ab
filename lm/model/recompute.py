"""Activation checkpointing: arithmetic in place of memory."""

from functools import partial

from torch.utils.checkpoint import checkpoint

from lm.model.transformer import Transformer


def recompute_activations(model: Transformer) -> None:
    """Keep only what goes into each block; the backward pass computes the rest again when it comes to it.

    A third more arithmetic, for activations of one block instead of all (Chen et al. 2016, arXiv:1604.06174). Dropout
    draws the same again, so nothing of what is learned changes. Only what a block does is replaced, inside of what
    sharding hangs onto it, and names of weights stay.
    """
    for block in model.blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
