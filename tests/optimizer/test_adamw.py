"""Which weights decay: matrices do; embeddings, norms and biases do not."""

from functools import partial

import pytest
import torch

from lm.model import Attention, SwiGLU, Transformer, dora
from lm.optimizer import adamw


def build(**changes) -> Transformer:
    torch.manual_seed(0)
    settings = {
        "vocab_size": 19,
        "context": 8,
        "dim": 8,
        "layers": 2,
        "attention": partial(Attention, heads=2, bias=True, query_key_norm=True),
        "feedforward": partial(SwiGLU, bias=True),
    }
    return Transformer(**(settings | changes))


def groups(model, **settings) -> dict[float, list[str]]:
    """Return the names of weights by weight decay."""
    optimizer = adamw(model, learning_rate=1e-3, weight_decay=0.1, **settings)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert len({group["weight_decay"] for group in optimizer.param_groups}) == len(optimizer.param_groups)
    return {group["weight_decay"]: [names[id(each)] for each in group["params"]] for group in optimizer.param_groups}


@pytest.mark.parametrize("tie_embeddings", [False, True])
def test_matrices_decay_and_embeddings_norms_and_biases_do_not(tie_embeddings):
    model = build(tie_embeddings=tie_embeddings)
    found = groups(model)
    matrices = [n for n, p in model.named_parameters() if p.ndim == 2 and n != "embedding.weight"]
    assert found[0.1] == matrices
    assert {name.rpartition(".")[2] for name in found[0.1]} == {"weight"}
    assert "embedding.weight" in found[0.0]
    assert {"norm", "bias"} <= {part for name in found[0.0] for part in name.split(".")}
    assert ("output.weight" in matrices) == (not tie_embeddings)


@pytest.mark.parametrize("tie_embeddings", [False, True])
def test_every_parameter_is_in_one_group_once(tie_embeddings):
    model = build(tie_embeddings=tie_embeddings)
    together = [name for names in groups(model).values() for name in names]
    assert sorted(together) == sorted(name for name, _ in model.named_parameters())
    assert len({id(parameter) for parameter in model.parameters()}) == len(together)


def test_frozen_weights_and_empty_groups_are_left_out():
    model = build()
    for parameter in model.parameters():
        parameter.requires_grad = parameter.ndim == 1
    assert list(groups(model)) == [0.0]


def test_only_trained_weights_have_state():
    model = build()
    dora(model, rank=2, alpha=4, targets=["attention.*"])
    optimizer = adamw(model, learning_rate=1e-3)
    model(torch.zeros(1, 3, dtype=torch.int64)).square().sum().backward()
    optimizer.step()
    trained = [each for each in model.parameters() if each.requires_grad]
    assert len(trained) == 2 * 4 * 3, "of two layers four matrices, each with up, down and magnitude"
    assert {id(parameter) for parameter in optimizer.state} == {id(each) for each in trained}
    moments = sum(value.numel() for state in optimizer.state.values() for value in state.values() if value.ndim)
    assert moments == 2 * sum(each.numel() for each in trained)


def test_decay_moves_matrices_only():
    model = build()
    optimizer = adamw(model, learning_rate=0.1, weight_decay=0.5)
    before = {name: value.clone() for name, value in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, value in model.named_parameters():
        decays = value.ndim == 2 and name != "embedding.weight"
        torch.testing.assert_close(value, before[name] * (0.95 if decays else 1.0), rtol=0, atol=1e-7)
