"""Tokens attend to their own document only, and positions restart with each."""

import torch

from lm.model import Cache
from lm.model.visibility import document_visibility


def naive_mask(documents: list[int]) -> list[list[bool]]:
    def together(one: int, other: int) -> bool:
        return other <= one and len(set(documents[other : one + 1])) == 1

    return [[together(one, other) for other in range(len(documents))] for one in range(len(documents))]


def test_masks_and_positions_equal_the_naive_ones():
    rows = [[0, 0, 0, 1, 1, 2], [-1, -1, 5, 5, 5, 5], [4, 4, 4, 4, -1, -1], [0, 1, 0, 0, 1, 1]]
    visibility = document_visibility(torch.zeros(4, 6, dtype=torch.int64), torch.tensor(rows), None)
    assert visibility.mask[:, 0].tolist() == [naive_mask(row) for row in rows]
    assert visibility.positions.tolist() == [
        [0, 1, 2, 0, 1, 0],
        [0, 1, 0, 1, 2, 3],
        [0, 1, 2, 3, 0, 1],
        [0, 0, 0, 1, 0, 1],
    ]


def test_one_document_needs_no_mask():
    visibility = document_visibility(torch.zeros(4, 6, dtype=torch.int64), None, None)
    assert visibility.mask is None
    assert visibility.positions.tolist() == [[0, 1, 2, 3, 4, 5]]


def test_tokens_attend_to_the_cache_and_up_to_themselves():
    cache = Cache(1, length=8, layers=1, key_value_heads=1, head_dim=2)
    cache.advance(3)
    visibility = document_visibility(torch.zeros(1, 2, dtype=torch.int64), None, cache)
    assert visibility.mask.tolist() == [[True, True, True, True, False], [True] * 5]
    assert visibility.positions.tolist() == [[3, 4]]
    assert document_visibility(torch.zeros(1, 1, dtype=torch.int64), None, cache).mask is None


def test_a_document_continues_across_the_cache():
    cache = Cache(2, length=8, layers=1, key_value_heads=1, head_dim=2)
    cache.advance(3, starts=torch.tensor([1, 2]), documents=torch.tensor([7, 4]))
    visibility = document_visibility(torch.zeros(2, 2, dtype=torch.int64), torch.tensor([[7, 7], [5, 5]]), cache)
    assert visibility.positions.tolist() == [[2, 3], [0, 1]]
    assert visibility.mask[:, 0, 0].tolist() == [
        [False, True, True, True, False],
        [False] * 3 + [True, False],
    ]
    assert document_visibility(torch.zeros(2, 1, dtype=torch.int64), None, cache).positions.tolist() == [[2], [1]]
