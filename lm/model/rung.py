"""A transformer described by its depth, from which the config derives the other sizes (`lm.config.ladder`)."""

from collections.abc import Callable, Sequence

from torch import nn

from lm.bounds import BelowOne, Count, Positive
from lm.model.initialize import initialize as default_initialize
from lm.model.position import Rotary
from lm.model.transformer import Transformer


def rung(
    *,
    vocab_size: Count,
    depth: Count,
    dim: Count,
    context: Count,
    attention: Callable[..., nn.Module] | Sequence[Callable[..., nn.Module]],
    feedforward: Callable[..., nn.Module] | Sequence[Callable[..., nn.Module]],
    norm: Callable[..., nn.Module] = nn.RMSNorm,
    position: Callable[..., nn.Module] | Sequence[Callable[..., nn.Module] | None] | None = Rotary,
    block: Callable[..., nn.Module] | None = None,
    position_embedding: Callable[..., nn.Module] | None = None,
    ngrams: Callable[..., nn.Module] | None = None,
    scale_embeddings: bool = False,
    logit_cap: Positive | None = None,
    tie_embeddings: bool = True,
    dropout: BelowOne = 0.0,
    initialize: Callable[..., None] = default_initialize,
) -> Transformer:
    """Build a Transformer of `depth` layers: a rung of the ladder of models that differ in this number alone.

    The config resolves all sizes before, so that model.json states them and each can be set by its own key.

    Args:
        vocab_size: Tokens of the vocabulary; set by the tokenizer.
        depth: Layers. `lm.config.ladder` derives width and heads from it, and under model=ladder also learning rate,
            weight decay, batch and length of the run.
        dim: Width of the residual stream; by default 32 × depth.
        context: Tokens that the model sees at once.
        attention: Factory of a block's attention, called with `dim`. A list is repeated over the layers.
        feedforward: Factory of a block's feedforward, called with `dim`. A list is repeated over the layers.
        norm: Factory of a norm, called with `dim`.
        position: Factory of the rotation of queries and keys, called with the head dim. A list is repeated over the
            layers; null rotates nothing.
        block: Factory of a block, called with its parts, which says where norms stand. Null is `lm.model.PreNormBlock`.
        position_embedding: Factory of the position embedding that is added to a token's, called with `context` and
            `dim`, as `lm.model.LearnedPositions` of GPT-2. Null adds nothing.
        ngrams: Factory of embeddings of the last few tokens together, which are added to a token's; called with `dim`,
            as `lm.model.HashedNgrams`. Null adds nothing.
        scale_embeddings: Multiply embeddings by √dim, in the type of the weights, as Gemma does.
        logit_cap: Soft cap of the logits, cap × tanh(logit / cap), as 30 in Gemma 2. Null has none.
        tie_embeddings: Score tokens with the embedding matrix: vocab_size × dim fewer parameters.
        dropout: Probability of dropping a feature of the embeddings and of the output of each part.
        initialize: Sets the initial weights of the model.
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
        block=block,
        position_embedding=position_embedding,
        ngrams=ngrams,
        scale_embeddings=scale_embeddings,
        logit_cap=logit_cap,
        tie_embeddings=tie_embeddings,
        dropout=dropout,
        initialize=initialize,
    )
