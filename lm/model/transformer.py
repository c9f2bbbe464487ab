"""A decoder-only transformer with one forward for training, packed rows, evaluation and generation.

Legend: B batch  T tokens  D dim  V vocabulary
"""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from lm.bounds import Positive
from lm.model.block import PreNormBlock
from lm.model.cache import Cache
from lm.model.initialize import initialize as default_initialize
from lm.model.noise import add_noise
from lm.model.pattern import entries
from lm.model.position import NoPosition, Rotary
from lm.model.projection import Projection
from lm.model.visibility import Visibility, document_visibility


class Transformer(nn.Module):
    """Decoder-only transformer: tokens in, logits out. Its parts are factories, called once per layer.

    `attention`, `feedforward` and `position` may each be a list of factories, which the layers repeat in turn.

    Args:
        vocab_size: Tokens of the vocabulary; set by the tokenizer.
        context: Tokens that the model sees at once.
        dim: Width of the residual stream.
        layers: Blocks, each of attention and feedforward.
        attention: Factory of a block's attention, called with `dim`; it writes to the residual stream by `.output`. A
            list is repeated over the layers, as one with a window and one without.
        feedforward: Factory of a block's feedforward, called with `dim`; it writes to the residual stream by `.down`. A
            list is repeated over the layers.
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
        dropout: Probability of dropping a feature of the embeddings and of the output of each part; never of attention
            weights, which would rule out the fused kernel. 0 suits a corpus that is read once.
        initialize: Sets the initial weights of the model.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        context: int,
        dim: int,
        layers: int,
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
        dropout: float = 0.0,
        initialize: Callable[..., None] = default_initialize,
    ) -> None:
        super().__init__()
        _check(dropout, vocab_size=vocab_size, context=context, dim=dim, layers=layers)
        self.vocab_size = vocab_size
        self.context = context
        self.embedding = nn.Embedding(vocab_size, dim)
        self.position_embedding = None if position_embedding is None else position_embedding(context, dim)
        self.ngrams = None if ngrams is None else ngrams(dim)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        attentions = entries(attention, layers=layers, key="model.attention")
        feedforwards = entries(feedforward, layers=layers, key="model.feedforward")
        self.blocks = nn.ModuleList(
            (block or PreNormBlock)(
                attention=attentions[layer % len(attentions)](dim),
                feedforward=feedforwards[layer % len(feedforwards)](dim),
                norm=partial(norm, dim),
                dropout=dropout,
            )
            for layer in range(layers)
        )
        self.norm = norm(dim)
        self.output = None if tie_embeddings else nn.Linear(dim, vocab_size, bias=False)
        self.head: nn.Linear | None = None  # scores each position; see lm.model.scalar_head
        self.positions = nn.ModuleList(  # layer n rotates by entry n modulo their number
            (each or NoPosition)(_head_shape(self.blocks)[1])
            for each in entries(position, layers=layers, key="model.position")
        )
        self.embedding_scale = dim**0.5 if scale_embeddings else None
        self.logit_cap = logit_cap
        initialize(self)

    @property
    def output_weight(self) -> Tensor:
        """V D: the embeddings that score tokens; `projection` has all that a loss needs."""
        return self.embedding.weight if self.output is None else self.output.weight

    @property
    def projection(self) -> Projection:
        """How logits follow from `hidden`, for a loss that computes them in chunks."""
        return Projection(self.output_weight, self.logit_cap)

    @property
    def reach(self) -> int:
        """Earlier tokens that the embedding of a token depends on."""
        return 0 if self.ngrams is None else self.ngrams.reach

    @property
    def unchanged_up_to(self) -> int | None:
        """Tokens of a text up to which the rotary angles of its positions hold; None if they hold at any length."""
        bounds = [each.unchanged_up_to for each in self.positions if each.unchanged_up_to is not None]
        return min(bounds, default=None)

    def forward(
        self, tokens: Tensor, documents: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:  # B T → B T V
        """Return the logits of the next token at each position. Arguments are those of `hidden`."""
        return self.projection.logits(self.hidden(tokens, documents, cache))

    def hidden(
        self, tokens: Tensor, documents: Tensor | None = None, cache: Cache | None = None, *, noise: float = 0.0
    ) -> Tensor:  # B T → B T D
        """Return the features of the last layer, after the final norm.

        Args:
            tokens: Token ids, B T.
            documents: Id of the document of each token, B T. Tokens attend to their own document, positions restart
                with each, and -1 is padding. None is one document per row, or the one that the cache is in. A row of
                documents may be wider than the context, as no document is: the data see to that.
            cache: Earlier tokens of the rows; takes in `tokens`.
            noise: NEFTune's alpha; 0 for none.
        """
        self._check_room(tokens.shape[1], documents, cache)
        visibility = document_visibility(tokens, documents, cache)
        features = self.features(tokens, visibility, write=None if cache is None else cache.write, noise=noise)
        if cache is not None:
            cache.keep(tokens)
            _advance(cache, tokens, documents, visibility.starts)
        return features

    def features(
        self,
        tokens: Tensor,
        visibility: Visibility,
        *,
        write: Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        noise: float = 0.0,
    ) -> Tensor:  # B T → B T D
        """Return the features of `hidden` where it is known what each token sees.

        Args:
            tokens: Token ids, B T.
            visibility: Positions of the tokens, and what each attends to.
            write: Called with the number of a layer and its keys and values of `tokens`, B K T E; returns those that
                are attended to, B K S E. None attends to those of `tokens`.
            noise: NEFTune's alpha; 0 for none.
        """
        windows = {block.attention.window for block in self.blocks}
        masks = {window: visibility.within(window) for window in windows}
        rotations = [position(visibility.positions, visibility.lengths) for position in self.positions]
        embedded = self._embed(tokens, visibility)
        residual = self.dropout(add_noise(embedded, visibility.starts, alpha=noise) if noise else embedded)
        for layer, block in enumerate(self.blocks):
            rotation, mask = rotations[layer % len(rotations)], masks[block.attention.window]
            update = None if write is None else partial(write, layer)
            residual = block(residual, rotation=rotation, mask=mask, update_cache=update)
        return self.norm(residual)

    def _embed(self, tokens: Tensor, visibility: Visibility) -> Tensor:  # B T → B T D
        embedded = self.embedding(tokens)
        if self.embedding_scale is not None:  # rounded as the weights are
            embedded = embedded * embedded.new_full((), self.embedding_scale)
        if self.ngrams is not None:
            embedded = embedded + self.ngrams(self.ngrams.index(tokens, visibility.positions, visibility.before))
        if self.position_embedding is None:
            return embedded
        return embedded + self.position_embedding(visibility.positions)

    def _check_room(self, count: int, documents: Tensor | None, cache: Cache | None) -> None:
        if cache is None and documents is not None:
            return  # positions restart with each document, and the longest is not known without reading them
        filled = 0 if cache is None else cache.filled
        room = self.context if cache is None else min(self.context, cache.length)
        if filled + count > room:
            raise ValueError(
                f"{filled + count} tokens do not fit into {room} (model.context {self.context}): "
                "cut the row, slide the window, or train with a longer context"
            )

    def new_cache(self, batch: int, length: int | None = None) -> Cache:
        """Return an empty cache for `batch` rows of up to `length` tokens (None: the whole context)."""
        key_value_heads, head_dim = _head_shape(self.blocks)
        return Cache(
            batch,
            length=self.context if length is None else length,
            layers=len(self.blocks),
            key_value_heads=key_value_heads,
            head_dim=head_dim,
            reach=self.reach,
            dtype=self.embedding.weight.dtype,
            device=self.embedding.weight.device,
        )


def _advance(cache: Cache, tokens: Tensor, documents: Tensor | None, starts: Tensor | None) -> None:
    """Count the tokens as read, and note the document that each row is in."""
    if documents is None or starts is None:
        cache.advance(tokens.shape[1])
    else:
        cache.advance(tokens.shape[1], starts=starts[:, -1], documents=documents[:, -1])


def _check(dropout: float, **sizes: int) -> None:
    for key, value in sizes.items():
        if value < 1:
            raise ValueError(f"model.{key} {value} is not at least 1")
    if not 0 <= dropout < 1:
        raise ValueError(f"model.dropout {dropout} is not in [0, 1): try 0.0 or 0.1")


def _head_shape(blocks: nn.ModuleList) -> tuple[int, int]:
    """Return the key/value heads and their features, which all layers have in common, as the cache has."""
    shapes = {(block.attention.key_value_heads, block.attention.head_dim) for block in blocks}
    if len(shapes) > 1:
        found = " and ".join(f"{heads} of {size}" for heads, size in sorted(shapes))
        raise ValueError(
            f"model.attention: layers have {found} features: give all parts of the list the same key_value_heads and "
            "head_dim"
        )
    return shapes.pop()
