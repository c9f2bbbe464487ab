"""Embeddings of n-grams depend on the last tokens of their own document, and on nothing else."""

import pytest
import torch

from lm.model import HashedNgrams, SwiGLU, Transformer
from lm.model.attention import Attention
from lm.optimizer import muon

ROWS = 64


def made(**changes) -> HashedNgrams:
    torch.manual_seed(0)
    return HashedNgrams(8, **({"sizes": (2, 4), "rows": ROWS} | changes))


def positions(length: int) -> torch.Tensor:
    return torch.arange(length)[None]


def test_a_row_of_the_table_follows_from_the_last_tokens_alone():
    ngrams, tokens = made(), torch.randint(99, (1, 12), generator=torch.Generator().manual_seed(1))
    index = ngrams.index(tokens, positions(12))
    assert index.shape == (1, 12, 2)
    for number, size in enumerate(ngrams.sizes):
        for end in range(size - 1, 12):
            alone = tokens[:, end - size + 1 : end + 1]
            assert ngrams.index(alone, positions(size))[0, -1, number] == index[0, end, number]
    assert len({*index[0, :, 0].tolist()}) > 8  # different n-grams have different rows, but for a few


def test_each_size_has_rows_of_its_own_that_are_used_evenly():
    tokens = torch.randint(300, (1, 20_000), generator=torch.Generator().manual_seed(2))
    index = made().index(tokens, positions(20_000))[0]
    assert index[:, 0].max() < ROWS <= index[:, 1].min()
    assert index.max() < 2 * ROWS
    counts = torch.bincount(index.flatten(), minlength=2 * ROWS)
    expected = 20_000 / ROWS
    assert (counts - expected).abs().max() < 6 * expected**0.5


def test_an_ngram_never_reaches_into_the_document_before():
    ngrams, tokens = made(), torch.tensor([[5, 6, 7, 8, 9]])
    joined = ngrams.index(tokens, torch.tensor([[0, 1, 0, 1, 2]]))
    torch.testing.assert_close(joined[:, 2:], ngrams.index(tokens[:, 2:], positions(3)))
    assert not torch.equal(joined[:, 2:], ngrams.index(tokens, positions(5))[:, 2:])


def test_tokens_before_continue_a_row():
    ngrams, tokens = made(), torch.randint(99, (3, 10), generator=torch.Generator().manual_seed(3))
    whole = ngrams.index(tokens, positions(10))
    parts = ngrams.index(tokens[:, 6:], positions(10)[:, 6:], tokens[:, 3:6])
    torch.testing.assert_close(parts, whole[:, 6:])


def test_the_vectors_of_all_sizes_are_summed():
    ngrams, index = made(), torch.tensor([[[3, ROWS + 9]]])
    torch.testing.assert_close(ngrams(index)[0, 0], ngrams.weight[3] + ngrams.weight[ROWS + 9])


def test_rows_of_the_table_are_a_format_of_checkpoints():
    def row(*tokens: int) -> int:
        """The hash in whole numbers, the last token first."""
        golden, key = 0x9E3779B97F4A7C15, 0
        for back, token in enumerate(tokens, 1):
            key += (token + 1) * golden**back
        key = (key + 2**63) % 2**64 - 2**63  # signed
        return ((key ^ (key >> 31)) * golden >> 32) % 2**31 % ROWS

    index = made().index(torch.tensor([[1, 2, 3, 4]]), positions(4))[0, -1].tolist()
    assert index == [row(4, 3), ROWS + row(4, 3, 2, 1)] == [40, 102]


@pytest.mark.parametrize("sizes", [[], [1, 2], [3, 3]], ids=str)
def test_sizes_that_are_not_different_numbers_above_1_are_refused(sizes):
    with pytest.raises(ValueError, match=r"ngrams\.sizes .* try \[2, 3, 4, 5\]"):
        made(sizes=sizes)


def test_a_model_starts_with_ngrams_that_add_nothing_and_trains_them_with_adamw():
    from functools import partial

    model = Transformer(
        vocab_size=19,
        context=8,
        dim=8,
        layers=1,
        attention=partial(Attention, heads=2),
        feedforward=partial(SwiGLU, hidden=ROWS * 2),  # as many rows as the table
        ngrams=partial(HashedNgrams, sizes=[2, 4], rows=ROWS),
    )
    assert not model.ngrams.weight.any()
    groups = muon(model, learning_rate=0.02).param_groups
    rules = {id(weight): group["orthogonal"] for group in groups for weight in group["params"]}
    assert rules[id(model.ngrams.weight)] is False
    assert rules[id(model.blocks[0].feedforward.up.weight)] is True
