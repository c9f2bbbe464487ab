"""Rows are as full as the lengths allow, and every target stands in exactly one."""

import numpy as np
import pytest

from lm.data.exact_fit import exact_fit
from lm.data.packing import best_fit


def school_problems(count: int = 2000, seed: int = 0) -> np.ndarray:
    """Lengths of which three or four make a row of 512."""
    return np.clip(np.random.default_rng(seed).lognormal(5, 0.32, count), 58, 443).astype(int)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("context", [1, 7, 64, 100, 512])
def test_every_target_stands_in_exactly_one_row_and_one_that_fits_is_whole(seed, context):
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, [3, 20, 90, 300][seed % 4], size=draw.integers(1, 200))
    rows = exact_fit(lengths, context)
    seen = [np.zeros(length, dtype=int) for length in lengths]
    for row in range(len(rows)):
        here = [*rows.segments(row)]
        assert 0 < sum(length for _, _, length in here) <= context
        for document, start, length in here:
            seen[document][start : start + length] += 1
    assert all((times == 1).all() for times in seen)
    parts = np.bincount(rows.documents, minlength=lengths.size)
    assert (parts == -(-lengths // context)).all()
    assert len(rows) <= len(best_fit(lengths, context))


@pytest.mark.parametrize("seed", range(3))
def test_conversations_of_which_few_make_a_row_waste_under_one_percent(seed):
    lengths = school_problems(seed=seed)
    assert best_fit(lengths, 512).waste > 0.01
    assert exact_fit(lengths, 512).waste < 0.01


def test_packing_depends_on_the_lengths_only_and_rows_follow_their_order():
    first, second = exact_fit(school_problems(), 512), exact_fit(list(school_problems()), 512)
    assert (first.documents == second.documents).all()
    assert (np.diff(first.documents[first.row_offsets[:-1]]) >= 0).all()


def test_no_documents_make_no_rows():
    assert len(exact_fit(np.array([], dtype=np.int64), 8)) == 0
