"""A decoder-only transformer with one forward for training, packed rows, evaluation and generation.

Legend: B batch  T tokens  D dim  V vocabulary
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from lm.model.cache import Cache
from lm.model.initialize import initialize as default_initialize
from lm.model.noise import add_noise
from lm.model.position import Rotary
from lm.model.visibility import Visibility, document_visibility


class Block(nn.Module):
    """Attention, then feedforward, each added to its input; norms come first, so that gradients pass unscaled."""

    def __init__(
        self,
        *,
        attention: nn.Module,
        feedforward: nn.Module,
        norms: tuple[nn.Module, nn.Module],
        dropout: float,
    ) -> None:
        super().__init__()
        self.attention_norm, self.feedforward_norm = norms
        self.attention = attention
        self.feedforward = feedforward
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(
        self,
        residual: Tensor,  # B T D
        *,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        update_cache: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None,
    ) -> Tensor:
        normed = self.attention_norm(residual)
        attended = self.attention(normed, rotation=rotation, mask=mask, update_cache=update_cache)
        residual = residual + self.dropout(attended)
        return residual + self.dropout(self.feedforward(self.feedforward_norm(residual)))


class Transformer(nn.Module):
    """Decoder-only transformer: tokens in, logits out. Its parts are factories, called once per layer.

    Args:
        vocab_size: Tokens of the vocabulary; set by the tokenizer.
        context: Tokens that the model sees at once.
        dim: Width of the residual stream.
        layers: Blocks, each of attention and feedforward.
        attention: Factory of a block's attention, called with `dim`; it writes to the residual stream by `.output`.
        feedforward: Factory of a block's feedforward, called with `dim`; it writes to the residual stream by `.down`.
        norm: Factory of a norm, called with `dim`.
        position: Factory of the position embedding, called with the head dim.
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
        attention: Callable[..., nn.Module],
        feedforward: Callable[..., nn.Module],
        norm: Callable[..., nn.Module] = nn.RMSNorm,
        position: Callable[..., nn.Module] = Rotary,
        tie_embeddings: bool = True,
        dropout: float = 0.0,
        initialize: Callable[..., None] = default_initialize,
    ) -> None:
        super().__init__()
        sizes = {"vocab_size": vocab_size, "context": context, "dim": dim, "layers": layers}
        for key, value in sizes.items():
            if value < 1:
                raise ValueError(f"model.{key} {value} is not at least 1")
        if not 0 <= dropout < 1:
            raise ValueError(f"model.dropout {dropout} is not in [0, 1): try 0.0 or 0.1")
        self.vocab_size = vocab_size
        self.context = context
        self.embedding = nn.Embedding(vocab_size, dim)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                attention=attention(dim),
                feedforward=feedforward(dim),
                norms=(norm(dim), norm(dim)),
                dropout=dropout,
            )
            for _ in range(layers)
        )
        self.norm = norm(dim)
        self.output = None if tie_embeddings else nn.Linear(dim, vocab_size, bias=False)
        self.head: nn.Linear | None = None  # scores each position; see lm.model.scalar_head
        self.position = position(self.blocks[0].attention.head_dim)
        initialize(self)

    @property
    def output_weight(self) -> Tensor:
        """V D: logits are `hidden @ output_weight.T`, for a loss that computes them in chunks."""
        return self.embedding.weight if self.output is None else self.output.weight

    def forward(
        self, tokens: Tensor, documents: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:  # B T → B T V
        """Return the logits of the next token at each position. Arguments are those of `hidden`."""
        return F.linear(self.hidden(tokens, documents, cache), self.output_weight)

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
        rotation = self.position(visibility.positions)
        embedded = self.embedding(tokens)
        residual = self.dropout(add_noise(embedded, visibility.starts, alpha=noise) if noise else embedded)
        for layer, block in enumerate(self.blocks):
            update = None if write is None else partial(write, layer)
            residual = block(residual, rotation=rotation, mask=visibility.mask, update_cache=update)
        return self.norm(residual)

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
        attention = self.blocks[0].attention
        return Cache(
            batch,
            length=self.context if length is None else length,
            layers=len(self.blocks),
            key_value_heads=attention.key_value_heads,
            head_dim=attention.head_dim,
            dtype=self.embedding.weight.dtype,
            device=self.embedding.weight.device,
        )


def _advance(cache: Cache, tokens: Tensor, documents: Tensor | None, starts: Tensor | None) -> None:
    """Count the tokens as read, and note the document that each row is in."""
    if documents is None or starts is None:
        cache.advance(tokens.shape[1])
    else:
        cache.advance(tokens.shape[1], starts=starts[:, -1], documents=documents[:, -1])
