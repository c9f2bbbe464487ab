"""The contract of objectives: a subclass says what is summed, and the partition of a step changes nothing."""

from functools import partial

import pytest
import torch
from lightning import Trainer
from torch import nn
from torch.utils.data import DataLoader

from lm.batch import Batch
from lm.objective import Objective
from lm.optimizer import constant


class SquaredError(Objective):
    """Half the squared distance of a table's rows, by token, from the targets."""

    validation_sums = 2  # loss and targets

    def summed_loss(self, batch):
        counted = batch.supervised
        return 0.5 * (self.model(batch.tokens[counted])[:, 0] - batch.targets[counted]).square().sum()

    def add_validation(self, batch, sums):
        sums[0] += self.summed_loss(batch).double()
        sums[1] += batch.supervised.sum()

    def summarize(self, sums):
        return {"validation/loss": float(sums[0].sum() / sums[1].sum())}


def rows(rows_per_batch: int) -> list[Batch]:
    """Six rows of one step in micro-batches; the last two have no supervised target."""
    torch.manual_seed(0)
    tokens, targets = torch.randint(5, (6, 4)), torch.randint(9, (6, 4))
    supervised = torch.rand(6, 4) < 0.5
    supervised[4:] = False
    parts = [tensor.split(rows_per_batch) for tensor in (tokens, targets, supervised)]
    return [Batch(*part, denominator=float(supervised.sum())) for part in zip(*parts, strict=True)]


def trained(rows_per_batch: int) -> tuple[torch.Tensor, SquaredError]:
    """The table after one step of gradient descent at rate 1, and the module."""
    table = nn.Embedding(5, 1).double()
    nn.init.zeros_(table.weight)
    module = SquaredError(
        table,
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=1.0),
        schedule=constant,
        steps=1,
        gradient_clip=None,
    )
    batches = rows(rows_per_batch)
    trainer = Trainer(
        max_steps=1, accumulate_grad_batches=len(batches), accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    loader = partial(DataLoader, batches, batch_size=None)
    trainer.fit(module, loader(), loader())
    return table.weight.detach(), module


@pytest.mark.parametrize("rows_per_batch", [1, 2, 3])
def test_any_partition_of_a_step_gives_the_gradient_of_one_sum_over_one_denominator(rows_per_batch):
    (whole,) = rows(6)
    expected = torch.zeros(5, 1, dtype=torch.float64)
    for token, target in zip(whole.tokens[whole.supervised], whole.targets[whole.supervised], strict=True):
        expected[token] += float(target) / whole.denominator  # from zero at rate 1
    weight, module = trained(rows_per_batch)
    torch.testing.assert_close(weight, expected, rtol=1e-12, atol=0)
    loss = 0.5 * whole.targets[whole.supervised].double().square().sum() / whole.denominator
    torch.testing.assert_close(module.step_loss, loss, rtol=1e-12, atol=0)


def test_validation_is_one_sum_over_all_batches():
    results = [trained(rows_per_batch)[1].validation["validation/loss"] for rows_per_batch in (1, 2, 6)]
    assert results == pytest.approx([results[0]] * 3, rel=1e-12)


def test_an_objective_without_the_methods_of_the_contract_cannot_be_made():
    class Incomplete(Objective):
        pass

    with pytest.raises(TypeError, match=r"add_validation.*summarize.*summed_loss"):
        Incomplete(nn.Linear(1, 1), optimizer=torch.optim.SGD, schedule=constant, steps=1)
