"""Any class of torch.optim trains a model by its name alone, or is refused by it before the first step."""

from functools import partial

import pytest
import torch
from torch import nn

from lm.optimizer import adamw, check_optimizer, make_optimizer
from lm.training.footprint import estimate_footprint
from support.footprint_step import build, objective

REFUSED = {
    "LBFGS": r"_target_=torch\.optim\.lbfgs\.LBFGS: its step computes the loss again, by a closure",
    "SparseAdam": r"SparseAdam cannot train this model: .*dense gradients.*torch\.optim\.AdamW",
    "Muon": r"Muon cannot train this model: Muon only supports 2D parameters",
}
CLASSES = [
    name
    for name in dir(torch.optim)
    if isinstance(each := getattr(torch.optim, name), type) and issubclass(each, torch.optim.Optimizer)
]
TRAINING = sorted({*CLASSES} - {"Optimizer", *REFUSED})


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4))


@pytest.mark.parametrize("name", TRAINING)
def test_every_class_that_can_train_is_given_the_weights_and_moves_them(name):
    factory, network = partial(getattr(torch.optim, name), lr=1e-2), model()
    check_optimizer(factory)
    optimizer = make_optimizer(factory, network)
    before = [weight.detach().clone() for weight in network.parameters()]
    network(torch.arange(5)).square().sum().backward()
    optimizer.step()
    assert not all(map(torch.equal, before, network.parameters()))
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert {group["lr"] for group in optimizer.param_groups} == {0.005}


@pytest.mark.parametrize("name", REFUSED)
def test_a_class_that_cannot_train_is_refused_by_name(name):
    with pytest.raises(ValueError, match=REFUSED[name]):
        check_optimizer(getattr(torch.optim, name))


def test_weight_decay_of_a_class_is_that_of_matrices_only():
    network = model()
    decays, keeps = make_optimizer(partial(torch.optim.SGD, lr=1e-2, weight_decay=0.3), network).param_groups
    assert (decays["weight_decay"], keeps["weight_decay"]) == (0.3, 0.0)
    assert [*map(id, decays["params"])] == [id(network[1].weight)]
    assert len(keeps["params"]) == 4


def test_frozen_weights_are_not_given_to_a_class():
    network = model()
    network[1].requires_grad_(False)
    (keeps,) = make_optimizer(torch.optim.Adam, network).param_groups
    assert len(keeps["params"]) == 3


def test_a_function_is_given_the_model():
    network = model()
    assert isinstance(make_optimizer(partial(adamw, learning_rate=1e-3), network), torch.optim.AdamW)
    check_optimizer(partial(adamw, learning_rate=1e-3))


@pytest.mark.parametrize("name", ["Adafactor", "SGD", "RMSprop", "Rprop", "NAdam", "ASGD"])
def test_memory_is_estimated_with_any_class(name):
    def with_class(network):
        module = objective(network)
        module.optimizer_factory = partial(getattr(torch.optim, name), lr=1e-3)
        return module

    found = estimate_footprint(
        lambda: build(32, 1, 64, context=8), with_class, rows=1, row_tokens=8, targets=8, separate_documents=True,
        accumulate=1, precision="32-true",
    )  # fmt: skip
    assert found.parts["weights"] > 0
    assert (found.parts["optimizer"] > 0) == (name != "SGD")
