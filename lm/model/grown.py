"""A trained model whose vocabulary gains tokens: turn tokens, for tuning a base model that has none."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lm.model.source import ModelSource
from lm.model.transformer import Transformer


class GrownModel(ModelSource):
    """The model of a source with rows for further tokens, which begin as the mean of the others.

    With the mean, a new token is at first as likely as an average one, where random rows may be the likeliest of all
    (Hewitt 2021, "Initializing new word embeddings for pretrained language models").

    Args:
        source: Where the model comes from.
        vocab_size: Vocabulary of that model.
        fresh: Ids of the new tokens; some may lie within an embedding that has more rows than its vocabulary tokens.
    """

    def __init__(self, source: ModelSource, *, vocab_size: int, fresh: Sequence[int]):
        self.source, self.vocab_size, self.fresh = source, vocab_size, list(fresh)
        self.origin = source.origin

    def build(self, *, vocab_size: int) -> Transformer:
        return grow(self.source.build(vocab_size=self.vocab_size), vocab_size=vocab_size, fresh=self.fresh)

    def outline(self, *, vocab_size: int) -> Transformer:
        return grow(self.source.outline(vocab_size=self.vocab_size), vocab_size=vocab_size, fresh=self.fresh)

    def describe(self, *, vocab_size: int) -> dict[str, Any]:
        return self.source.describe(vocab_size=self.vocab_size) | {"vocab_size": vocab_size}

    def parent(self) -> dict[str, Any] | None:
        return self.source.parent()

    def fingerprint(self) -> dict[str, str]:
        return self.source.fingerprint()


def grow(model: Transformer, *, vocab_size: int, fresh: Sequence[int]) -> Transformer:
    """Give a model a vocabulary of `vocab_size` in place, the rows of `fresh` the mean of the others."""
    layers = [model.embedding, *([] if model.output is None else [model.output])]
    for layer in layers:
        layer.weight = nn.Parameter(_grown(layer.weight.detach(), vocab_size, fresh), layer.weight.requires_grad)
    model.embedding.num_embeddings = vocab_size
    if model.output is not None:
        model.output.out_features = vocab_size
    model.vocab_size = vocab_size
    return model


def _grown(rows: Tensor, count: int, fresh: Sequence[int]) -> Tensor:  # V D → count D
    new = sorted({*fresh, *range(len(rows), count)})
    before = [number for number in new if number < len(rows)]
    total = rows.double().sum(0) - sum(rows[number].double() for number in before)
    mean = (total / (len(rows) - len(before))).to(rows.dtype)
    grown = torch.cat([rows, rows.new_empty(count - len(rows), rows.shape[1])])
    for number in new:  # one by one, as a dry run has no numbers to index by
        grown[number] = mean
    return grown
