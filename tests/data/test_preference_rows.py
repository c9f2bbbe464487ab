"""Batches of pairs and of labelled answers: what is filled up, what is moved, and pairs read as answers."""

import numpy as np
import pytest
import torch

from lm.batch import Batch, LabelledBatch, PreferenceBatch
from lm.data import RowSource
from lm.data.batches import ValidationBatches, collate
from lm.data.preference_rows import LabelledRow, PreferenceRow


def plain(width: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return np.arange(width), np.arange(width) + 1, np.ones(width, dtype=bool), np.zeros(width, dtype=np.int64)


def pairs(*numbers: int) -> PreferenceRow:
    return PreferenceRow(*plain(), pair=np.array(numbers), margin=np.array(numbers, dtype=np.float32) / 2)


def test_rows_of_different_numbers_of_pairs_are_filled_up_in_a_batch():
    batch = collate([pairs(3), pairs(8, 5, 0)], denominator=4.0)
    assert type(batch) is PreferenceBatch
    assert batch.pair.tolist() == [[3, -1, -1], [8, 5, 0]]
    assert batch.margin.tolist() == [[1.5, 0, 0], [4, 2.5, 0]]
    assert (batch.pair.dtype, batch.margin.dtype) == (torch.int64, torch.float32)
    assert batch.reference is None


def test_labelled_answers_are_filled_up_as_undesirable_and_without_a_number():
    rows = [
        LabelledRow(*plain(), example=np.array(n), desirable=np.array(d)) for n, d in (([4, 2], [1, 0]), ([7], [1]))
    ]
    for row in rows:
        row.desirable = row.desirable.astype(bool)
    batch = collate(rows, denominator=3.0)
    assert type(batch) is LabelledBatch
    assert batch.example.tolist() == [[4, 2], [7, -1]]
    assert batch.desirable.tolist() == [[True, False], [True, False]]


def test_pairs_read_as_answers_are_twice_as_many_and_the_chosen_ones_desirable():
    batch = collate([pairs(3), pairs(8, 5)], denominator=3.0)
    batch.reference = torch.arange(8.0).view(2, 2, 2)
    answers = batch.labelled()
    assert type(answers) is LabelledBatch
    assert answers.denominator == 6.0
    assert answers.example.tolist() == [[6, 7, -1, -1], [16, 17, 10, 11]]
    assert answers.desirable.tolist() == [[True, False, False, False], [True, False, True, False]]
    assert answers.reference.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert answers.tokens is batch.tokens


@pytest.mark.parametrize("batch", [Batch, LabelledBatch, PreferenceBatch])
def test_a_batch_of_shapes_has_every_field_of_its_class(batch):
    outline = batch.outline(2, 16, targets=20, separate_documents=True)
    assert outline.tokens.shape == outline.documents.shape == (2, 16)
    assert len(outline.targets[outline.supervised]) == 20
    own = vars(outline).keys() - vars(Batch.outline(1, 1, targets=1, separate_documents=True)).keys()
    assert all(len(getattr(outline, name)) == 2 for name in own)
    moved = outline.to("meta")
    assert {getattr(moved, name).device.type for name in own} <= {"meta"}


class Pairs(RowSource):
    counts = np.full(3, 8)

    def row(self, index: int) -> PreferenceRow:
        return pairs(index)


def test_a_rank_without_a_row_left_validates_no_pair_twice():
    ranks = [ValidationBatches(Pairs(), rows=1, rank=rank, ranks=2) for rank in range(2)]
    seen = [one[item].pair.tolist() for item in range(2) for one in ranks]
    assert seen == [[[0]], [[1]], [[2]], [[-1]]]
    assert not ranks[1][1].supervised.any()
