"""An objective that cannot learn from the data is refused with one that can."""

from types import SimpleNamespace

import pytest

from lm.batch import Batch, LabelledBatch, PreferenceBatch
from lm.data import Rows
from lm.data.row_source import RowEstimate
from lm.training.fitting import check_data


class Own(Batch):
    """What rows of a user's own are stacked into."""


def rows(batch: type[Batch]) -> Rows:
    return Rows({"it": RowEstimate(rows=2, targets=4, batch=batch)}, tokenizer=None)


def module(*reads: type[Batch]) -> SimpleNamespace:
    return SimpleNamespace(reads=reads)


@pytest.mark.parametrize(
    ("held", "reads", "message"),
    [
        (
            PreferenceBatch,
            (Batch,),
            "hold pairs of answers, .* learns from texts .*objective=dpo .*data=instruction",
        ),
        (
            Batch,
            (PreferenceBatch,),
            "hold texts or conversations, .*objective=causal .*data=preference",
        ),
        (
            LabelledBatch,
            (PreferenceBatch,),
            "hold labelled answers, .*: set objective=kto .*data=preference",
        ),
    ],
)
def test_data_of_another_kind_are_refused_with_both_remedies(held, reads, message):
    with pytest.raises(ValueError, match=message):
        check_data(rows(held), module(*reads))


def test_what_an_objective_reads_and_what_a_user_adds_are_accepted():
    check_data(rows(PreferenceBatch), module(LabelledBatch, PreferenceBatch))
    check_data(rows(Own), module(Batch))
