from fractions import Fraction

import numpy as np
import pytest

from lm.data import Row, RowSource
from lm.data.batches import TrainingBatches
from lm.data.order import Order, permute
from lm.optimizer import Plan


def mixed(seed, sizes, weights, rows=3000) -> Order:
    """One stage with shares in proportion to whole numbers."""
    return Order(seed, sizes, stages=[(rows, [Fraction(weight, sum(weights)) for weight in weights])])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65, 1000, 4097])
def test_each_epoch_is_a_permutation(size):
    order = Order(5, [size])
    for epoch in range(3):
        _, rows = order.rows(epoch * size, (epoch + 1) * size)
        assert sorted(rows.tolist()) == list(range(size))


def test_epochs_seeds_and_sources_are_shuffled_differently():
    first = Order(0, [500]).rows(0, 1000)[1]
    assert (first[:500] != first[500:]).sum() > 450
    assert (first[:500] != Order(1, [500]).rows(0, 500)[1]).sum() > 450
    sources, rows = mixed(0, [500, 500], [1, 1]).rows(0, 1000)
    assert (rows[sources == 0] != rows[sources == 1]).sum() > 450


def test_neighbours_do_not_stay_neighbours():
    rows = Order(0, [10_000]).rows(0, 10_000)[1]
    assert (abs(np.diff(rows)) == 1).mean() < 0.001
    assert abs(np.corrcoef(rows, np.arange(10_000))[0, 1]) < 0.05


def test_any_row_computed_directly_equals_the_iteration():
    order = mixed(2, [37, 101], [3, 7])
    sources, rows = order.rows(0, 1000)
    for place in (0, 1, 36, 37, 400, 999):
        source, row = order.rows(place, place + 1)
        assert (source[0], row[0]) == (sources[place], rows[place])


def test_a_weighted_source_keeps_its_own_epochs():
    order = mixed(0, [10, 1000], [1, 1])
    sources, rows = order.rows(0, 100)
    small = rows[sources == 0]
    for epoch in range(5):
        assert sorted(small[10 * epoch : 10 * epoch + 10].tolist()) == list(range(10))
    assert order.epochs(100) == [5.0, 0.05]


def test_unweighted_sources_are_one_permutation():
    sources, rows = Order(0, [3, 0, 5]).rows(0, 8)
    assert sorted(zip(sources.tolist(), rows.tolist(), strict=True)) == [
        (0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (2, 2), (2, 3), (2, 4)
    ]  # fmt: skip


def test_huge_sources_cost_nothing():
    rows = permute(np.arange(5), 10**12, np.array([7], dtype=np.uint64))
    assert len(set(rows.tolist())) == 5
    assert rows.max() < 10**12


def test_a_source_continues_in_the_next_stage_where_it_stopped():
    halves, quarters = [Fraction(1, 2), Fraction(1, 2)], [Fraction(1, 4), Fraction(3, 4)]
    order = Order(4, [30, 70], stages=[(41, halves), (100, quarters), (59, halves)])
    sources, rows = order.rows(0, 200)
    for source, size in enumerate([30, 70]):
        found = rows[sources == source]
        for begin in range(0, len(found) - size + 1, size):
            assert sorted(found[begin : begin + size].tolist()) == list(range(size))
    for place in (0, 40, 41, 42, 140, 141, 199, 200):
        assert order.counts(place).tolist() == np.bincount(sources[:place], minlength=2).tolist()
    for place in (0, 40, 41, 139, 140, 141, 199):
        assert [int(part[0]) for part in order.rows(place, place + 1)] == [sources[place], rows[place]]


def test_an_order_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        Order(0, [0, 0])


class Numbered(RowSource):
    """Rows that say which they are."""

    def __init__(self, rows):
        self.counts = np.arange(rows, dtype=np.int64) % 5

    def row(self, index):
        ids = np.full(4, index)
        return Row(ids, ids, np.arange(4) < self.counts[index])


def step_rows(order, sources, ranks, rows_per_device, step):
    plan = Plan(
        steps=9,
        rows_per_step=16,
        rows_per_device=rows_per_device,
        accumulate=16 // ranks // rows_per_device,
        devices=ranks,
        row_tokens=4,
    )
    seen, denominators = [], set()
    for rank in range(ranks):
        batches = TrainingBatches(sources, order, plan, rank=rank)
        for micro in range(plan.accumulate):
            batch = batches[step * plan.accumulate + micro]
            seen += batch.tokens[:, 0].tolist()
            denominators.add(batch.denominator)
    return sorted(seen), denominators


@pytest.mark.parametrize(("ranks", "rows_per_device"), [(1, 1), (1, 4), (2, 2), (2, 8), (4, 1), (4, 4)])
def test_global_batches_do_not_depend_on_ranks_or_micro_batches(ranks, rows_per_device):
    sources = [Numbered(50)]
    order = Order(0, [50])
    for step in range(9):
        whole, denominator = step_rows(order, sources, 1, 16, step)
        assert step_rows(order, sources, ranks, rows_per_device, step) == (whole, denominator)
        assert denominator == {float(sum(row % 5 for row in whole))}
