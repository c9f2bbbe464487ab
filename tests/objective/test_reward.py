"""A reward model scores the last token of an answer, whatever else is in its row or batch."""

from functools import partial
from math import log

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lm.data import Rows
from lm.data.batches import collate
from lm.model import scalar_head
from lm.objective import RewardModel
from lm.objective.reward import document_scores, text_scores
from support.pairs_step import PackedPairs, gradient, made, network, pairs, plan


def headed(seed: int = 0, **options):
    model = network(seed=seed, **options)
    scalar_head(model)
    torch.manual_seed(seed + 1)
    for weight in model.head.parameters():
        torch.nn.init.normal_(weight)
    return model


def naive_scores(model) -> torch.Tensor:
    """Score of both sides of each pair, one text at a time, at its last token."""

    def score(prompt, answer) -> torch.Tensor:
        ids = torch.from_numpy(np.concatenate([prompt, answer]))[None]
        return model.head(model.hidden(ids, torch.zeros_like(ids)))[0, -1, 0]

    return torch.stack([torch.stack([score(prompt, side) for side in sides]) for prompt, *sides in pairs()])


@pytest.mark.parametrize("packing", ["alone", "two a row"])
def test_scores_depend_neither_on_packing_nor_on_padding_nor_on_the_batch(packing):
    model, source = headed().double(), PackedPairs(pairs(), packing)
    expected = naive_scores(model)
    found = torch.full_like(expected, float("nan"))
    for rows in ([0], [1, 2, 3], [*range(4, 12)]):
        batch = collate([source.row(row) for row in rows], denominator=1.0)
        scores = document_scores(model, batch, documents=2 * batch.pair.shape[1]).view(len(rows), -1, 2)
        found[batch.pair[batch.pair >= 0]] = scores[batch.pair >= 0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    texts = [np.concatenate([prompt, side]).tolist() for prompt, *sides in pairs() for side in sides]
    for rows in (1, 5, 24):
        assert text_scores(model, texts, rows=rows) == pytest.approx(expected.flatten().tolist(), abs=1e-10)


def naive_loss(model, *, center: float, margin: float) -> torch.Tensor:
    chosen, rejected = naive_scores(model).unbind(1)
    return (-F.logsigmoid(chosen - rejected - margin) + center * (chosen + rejected).square()).mean()


class Headed(RewardModel):
    """A reward model whose head is set once it is there."""

    def __init__(self, model, **options):
        scalar_head(model)
        model.load_state_dict(headed(dropout=0.2).state_dict())
        super().__init__(model, **options)


def no_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


@pytest.mark.parametrize(("packing", "rows_per_device"), [("alone", 12), ("alone", 1), ("two a row", 3)])
def test_micro_batches_and_packing_leave_the_gradient_alone(packing, rows_per_device, tmp_path):
    source = partial(PackedPairs, margin=0.3)
    objective = partial(Headed, center=0.05, margin=2.0)
    found = gradient(objective, packing, plan(rows_per_device), tmp_path, source=source, prepare=no_dropout)
    model = headed().double()
    loss = naive_loss(model, center=0.05, margin=0.6)
    loss.backward()
    assert float(found.pop("loss")) == pytest.approx(loss.item(), abs=1e-7)  # margins are in fp32
    for name, value in model.named_parameters():
        torch.testing.assert_close(found[name], value.grad, rtol=0, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}")


def test_a_new_head_scores_0_and_its_first_loss_is_ln_2():
    model = network()
    scalar_head(model)
    module = made(RewardModel, model)
    (source,) = Rows({"pairs": PackedPairs(pairs())}, tokenizer=None).sources.values()
    loss = module.summed_loss(collate([source.row(0), source.row(1)], denominator=2.0))
    assert float(loss) == pytest.approx(2 * log(2))
    assert float(module.step_metrics["rewards/accuracies"]) == 0.5


@pytest.mark.parametrize("frozen", [False, True])
def test_a_model_without_a_head_to_train_is_refused(frozen):
    model = headed() if frozen else network()
    if frozen:
        model.head.requires_grad_(False)
    with pytest.raises(ValueError, match=r"no head for: set model/head=scalar"):
        made(RewardModel, model)
