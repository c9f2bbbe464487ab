"""Every target stands in exactly one row, and rows hold what they can."""

import time

import numpy as np
import pytest

from lm.data.packing import Packing, best_fit, cut

PACKINGS = [cut, best_fit]


def random_lengths(seed, count=400, longest=300):
    draw = np.random.default_rng(seed)
    return (
        draw.integers(1, longest, size=count) if seed % 2 else np.maximum(1, draw.lognormal(3, 1.2, count).astype(int))
    )


def pieces(rows):
    return [[*rows.segments(row)] for row in range(len(rows))]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("context", [1, 7, 64, 256, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_every_target_stands_in_exactly_one_row(packing, context, seed):
    lengths = random_lengths(seed, count=100 if context == 1 else 400)
    rows = packing(lengths, context)
    placed = [(row, *piece) for row, here in enumerate(pieces(rows)) for piece in here]
    row, document, start, length = np.array(placed).T
    assert length.min() > 0
    counts = np.bincount(row, weights=length, minlength=len(rows))
    assert 0 < counts.min() <= counts.max() <= context
    assert (counts == rows.counts).all()
    # The pieces of a document, sorted, start at its start, continue one another and end at its end.
    order = np.lexsort((start, document))
    document, start, end = document[order], start[order], (start + length)[order]
    first = np.diff(document, prepend=-1) > 0
    assert (start == np.where(first, 0, np.roll(end, 1))).all()
    assert document[first].tolist() == [*range(len(lengths))]
    assert (end[np.roll(first, -1)] == lengths).all()
    assert rows.counts.dtype == np.int64
    assert rows.waste == pytest.approx(1 - lengths.sum() / (len(rows) * context))


@pytest.mark.parametrize("context", [1, 5, 64, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_cut_equals_walking_the_stream(context, seed):
    lengths = random_lengths(seed, count=60)
    stream = [(document, place) for document, length in enumerate(lengths) for place in range(length)]
    expected = []
    for begin in range(0, len(stream), context):
        row = []
        for document, place in stream[begin : begin + context]:
            if row and row[-1][0] == document:
                row[-1][2] += 1
            else:
                row.append([document, place, 1])
        expected.append([tuple(piece) for piece in row])
    assert pieces(cut(lengths, context)) == expected


def best_fit_by_search(lengths, context):
    """Packing that longest-first best fit needs, by looking at every open row."""
    rooms = []
    whole = [min(context, length - start) for length in lengths for start in range(0, length, context)]
    for size in sorted(whole, reverse=True):
        fitting = [place for place, room in enumerate(rooms) if room >= size]
        if fitting:
            rooms[min(fitting, key=lambda place: rooms[place])] -= size
        else:
            rooms.append(context - size)
    return sorted(context - room for room in rooms)


def first_fit(lengths, context):
    rooms = []
    for length in lengths:
        place = next((place for place, room in enumerate(rooms) if room >= length), None)
        if place is None:
            rooms.append(context - length)
        else:
            rooms[place] -= length
    return len(rooms)


@pytest.mark.parametrize("context", [16, 100, 256])
@pytest.mark.parametrize("seed", range(6))
def test_best_fit_fills_rows_as_looking_at_every_open_row_would(context, seed):
    lengths = random_lengths(seed, count=250)
    assert sorted(best_fit(lengths, context).counts) == best_fit_by_search(lengths, context)


@pytest.mark.parametrize("seed", range(10))
def test_best_fit_needs_no_more_rows_than_first_fit(seed):
    lengths = np.minimum(random_lengths(seed), 256)
    assert len(best_fit(lengths, 256)) <= first_fit(lengths, 256)


@pytest.mark.parametrize("context", [128, 256, 2048])
def test_best_fit_wastes_under_one_percent_of_many_documents(context):
    lengths = np.maximum(1, np.random.default_rng(0).lognormal(4, 1, 20_000).astype(int))
    assert best_fit(lengths, context).waste < 0.01


def test_cut_wastes_only_the_end_of_the_last_row():
    rows = cut(np.array([5, 9, 4]), 8)
    assert rows.counts.tolist() == [8, 8, 2]


@pytest.mark.parametrize("seed", range(4))
def test_best_fit_never_cuts_a_document_that_fits(seed):
    lengths = random_lengths(seed)
    rows = best_fit(lengths, 100)
    parts = np.bincount(rows.documents, minlength=lengths.size)
    assert (parts == -(-lengths // 100)).all()


def test_documents_longer_than_a_row_are_full_rows_and_a_remainder():
    rows = best_fit(np.array([3, 25, 20]), 10)
    assert pieces(rows) == [[(0, 0, 3), (1, 20, 5)], [(1, 0, 10)], [(1, 10, 10)], [(2, 0, 10)], [(2, 10, 10)]]


@pytest.mark.parametrize("packing", PACKINGS)
def test_packing_depends_on_the_lengths_only(packing):
    lengths = random_lengths(1)
    first, second = packing(lengths, 64), packing(list(lengths), 64)
    assert pieces(first) == pieces(second)


@pytest.mark.parametrize("packing", PACKINGS)
def test_rows_follow_the_order_of_the_documents(packing):
    rows = packing(random_lengths(2), 64)
    firsts = rows.documents[rows.row_offsets[:-1]]
    assert (np.diff(firsts) >= 0).all()


@pytest.mark.parametrize("packing", PACKINGS)
def test_no_documents_make_no_rows(packing):
    rows = packing(np.array([], dtype=np.int64), 8)
    assert isinstance(rows, Packing)
    assert len(rows) == 0 == rows.counts.size == rows.waste


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_context_of_nothing_is_refused(packing):
    with pytest.raises(ValueError, match="context 0"):
        packing(np.array([3]), 0)


def test_sums_add_up_what_the_pieces_of_a_row_bring():
    rows = best_fit(np.array([3, 4, 6]), 10)
    assert pieces(rows) == [[(0, 0, 3)], [(1, 0, 4), (2, 0, 6)]]
    assert rows.sums(np.array([10, 1, 2])).tolist() == [10, 3]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_million_documents_are_packed_in_seconds(packing):
    lengths = np.maximum(1, np.random.default_rng(0).lognormal(5, 1.5, 1_000_000).astype(int))
    began = time.perf_counter()
    packing(lengths, 512)
    assert time.perf_counter() - began < 10
