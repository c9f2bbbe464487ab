"""What a step's loss is the mean of equals the published numbers."""

import pytest
import torch

from lm.policy.aggregation import constant, sequence_mean, token_mean

LOSSES = torch.tensor([[1.0, 9.0, 9.0], [2.0, 2.0, 2.0], [7.0, 7.0, 7.0]])
MASK = torch.tensor([[True, False, False], [True, True, True], [False, False, False]])


@pytest.mark.parametrize(
    ("aggregate", "options", "loss"),
    [(token_mean, {}, 7 / 4), (sequence_mean, {}, 1.5), (constant, {"length": 4}, 7 / 8)],
    ids=["token mean", "sequence mean", "constant"],
)
@pytest.mark.parametrize("rows", [3, 1])
def test_losses_are_averaged_over_the_step_and_masked_rows_count_nowhere(aggregate, options, loss, rows):
    total, count = 0.0, 0.0
    for start in range(0, 3, rows):  # micro-batches
        weights, counted = aggregate(MASK[start : start + rows], **options)
        total += float((weights * LOSSES[start : start + rows]).sum())
        count += float(counted)
    assert total / count == pytest.approx(loss)
