"""Tokens attend to their own document only, and positions restart with each."""

import torch

from lm.model import Cache
from lm.model.visibility import document_visibility

WINDOW = 2


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


def test_a_window_counts_the_token_itself_and_stays_within_the_document():
    rows = torch.tensor([[0, 0, 0, 1, 1], [2, 2, 2, 2, 2]])
    visibility = document_visibility(torch.zeros(2, 5, dtype=torch.int64), rows, None)
    naive = [
        [[a and one - other < WINDOW for other, a in enumerate(seen)] for one, seen in enumerate(naive_mask(row))]
        for row in rows.tolist()
    ]
    assert visibility.within(WINDOW)[:, 0].tolist() == naive
    assert visibility.within(None) is visibility.within(5) is visibility.mask
    alone = document_visibility(torch.zeros(1, 5, dtype=torch.int64), None, None)
    assert alone.within(WINDOW).tolist() == naive[1]
    assert alone.within(5) is None, "the fast causal kernel, where no token is out of sight"


def test_a_window_reaches_into_the_cache():
    cache = Cache(1, length=8, layers=1, key_value_heads=1, head_dim=2)
    cache.advance(3)
    one, two = (document_visibility(torch.zeros(1, count, dtype=torch.int64), None, cache) for count in (1, 2))
    assert one.within(WINDOW).tolist() == [[False, False, True, True]]
    assert two.within(WINDOW).tolist() == [[False, False, True, True, False], [False, False, False, True, True]]


def test_lengths_are_those_of_documents_or_the_room_of_a_cache():
    tokens, rows = torch.zeros(2, 5, dtype=torch.int64), torch.tensor([[0, 0, 0, 1, 1], [-1, 2, 2, 2, 2]])
    assert document_visibility(tokens, rows, None).lengths().tolist() == [[3, 3, 3, 2, 2], [1, 4, 4, 4, 4]]
    assert document_visibility(tokens, None, None).lengths().tolist() == [[5]]
    cache = Cache(2, length=8, layers=1, key_value_heads=1, head_dim=2)
    assert document_visibility(tokens, None, cache).lengths().tolist() == [[8]]
    assert document_visibility(tokens, rows, cache).lengths()[1].tolist() == [8, 7, 7, 7, 7]
