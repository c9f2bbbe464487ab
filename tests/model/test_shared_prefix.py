"""Continuations of a prefix that is read once: the features and gradients of whole rows."""

from functools import partial

import pytest
import torch

from lm.model import Attention, HashedNgrams, SwiGLU, Transformer
from lm.model.recompute import recompute_activations
from lm.model.shared_prefix import hidden_after_prefixes

LENGTHS, PREFIX_OF, WRITTEN = [4, 1, 7], [0, 0, 2, 1, 2, 2], [3, 5, 1, 4, 2, 5]  # the first one is not alone


def build(*, context: int = 12, window: int | None = None, ngrams=None) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(
        vocab_size=19,
        context=context,
        dim=8,
        layers=3,
        attention=partial(Attention, heads=4, key_value_heads=2, query_key_norm=True, window=window),
        feedforward=partial(SwiGLU, hidden=12),
        ngrams=ngrams,
    )
    if ngrams is not None:
        torch.nn.init.normal_(model.ngrams.weight)
    return model.double()


def rows(padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prefixes and continuations, padded on the right."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for lengths in (LENGTHS, WRITTEN):
        tokens = torch.randint(19, (len(lengths), max(lengths)), generator=generator)
        made.append(tokens.where(torch.arange(max(lengths)) < torch.tensor(lengths)[:, None], padding))
    return made[0], made[1]


def gradients(model: Transformer, features: list[torch.Tensor]) -> list[torch.Tensor]:
    loss = sum(((n + 1) * each.square().cumsum(0).sin()).sum() for n, each in enumerate(features))
    return torch.autograd.grad(loss, [*model.parameters()])


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    ("padding", "window", "ngrams"),
    [(0, None, None), (18, None, None), (18, 3, None), (0, 6, None), (0, None, partial(HashedNgrams, rows=9))],
    ids=["alone", "other padding", "window", "wide window", "n-grams"],
)
def test_features_and_gradients_equal_those_of_whole_rows(recompute, padding, window, ngrams):
    model = build(window=window, ngrams=ngrams)
    prefixes, continuations = rows(padding)
    whole = []
    for row, (number, written) in enumerate(zip(PREFIX_OF, WRITTEN, strict=True)):
        prefix = prefixes[number, : LENGTHS[number]]
        tokens = torch.cat([prefix, continuations[row, :written]])
        whole.append(model.hidden(tokens[None])[0, len(prefix) - 1 :])
    expected = gradients(model, whole)
    if recompute:
        recompute_activations(model)
    lengths, numbers = torch.tensor(LENGTHS), torch.tensor(PREFIX_OF)
    together = hidden_after_prefixes(model, prefixes, lengths, continuations, numbers)
    found = [each[: written + 1] for each, written in zip(together, WRITTEN, strict=True)]
    for mine, other in zip(found, whole, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)
    for mine, other in zip(gradients(model, found), expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)


def test_without_continuations_there_is_the_end_of_each_prefix():
    model = build()
    prefixes, _ = rows(0)
    none = torch.zeros(2, 0, dtype=torch.int64)
    found = hidden_after_prefixes(model, prefixes, torch.tensor(LENGTHS), none, torch.tensor([2, 0]))
    expected = torch.stack([model.hidden(prefixes[n : n + 1, : LENGTHS[n]])[:, -1] for n in (2, 0)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
