"""A transformer that one number describes: its depth, from which the config derives the rest (`lm.config.ladder`)."""

from collections.abc import Callable

from torch import nn

from lm.bounds import BelowOne, Count
from lm.model.initialize import initialize as default_initialize
from lm.model.position import Rotary
from lm.model.transformer import Transformer


def rung(
    *,
    vocab_size: Count,
    depth: Count,
    dim: Count,
    context: Count,
    attention: Callable[..., nn.Module],
    feedforward: Callable[..., nn.Module],
    norm: Callable[..., nn.Module] = nn.RMSNorm,
    position: Callable[..., nn.Module] = Rotary,
    tie_embeddings: bool = True,
    dropout: BelowOne = 0.0,
    initialize: Callable[..., None] = default_initialize,
) -> Transformer:
    """A Transformer of `depth` layers: a rung of the ladder of models that differ by this number alone.

    The numbers arrive settled, so that a run's model.json says all of them, and each can be set by its own key.
    """
    return Transformer(
        vocab_size=vocab_size,
        context=context,
        dim=dim,
        layers=depth,
        attention=attention,
        feedforward=feedforward,
        norm=norm,
        position=position,
        tie_embeddings=tie_embeddings,
        dropout=dropout,
        initialize=initialize,
    )
