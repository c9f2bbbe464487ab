"""Muon: torch's own update for matrices, torch's AdamW for the rest, and the same on one rank or several."""

from functools import partial

import pytest
import torch
from lightning import Trainer
from torch import nn

from lm.model import Attention, LearnedPositions, SwiGLU, Transformer, lora
from lm.objective import CausalLM
from lm.optimizer import adamw, make_optimizer, muon
from lm.optimizer.orthogonal import orthogonalize, orthogonalize_all
from support.muon_step import SHAPES, matrices, save_updates
from support.ranks_here import as_ranks


def build(tie_embeddings: bool = True) -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        vocab_size=19,
        context=8,
        dim=8,
        layers=2,
        attention=partial(Attention, heads=2, key_value_heads=1),
        feedforward=partial(SwiGLU, hidden=12),
        tie_embeddings=tie_embeddings,
    )


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for weight in model.parameters():
            weight.grad = torch.randn(weight.shape, generator=generator).to(weight.dtype)
        optimizer.step()


def names(model: nn.Module, weights: list[nn.Parameter]) -> set[str]:
    chosen = set(map(id, weights))
    return {name for name, weight in model.named_parameters() if id(weight) in chosen}


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_a_matrix_moves_as_under_torch_muon(shape, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)  # torch iterates in bfloat16 only
    torch.manual_seed(0)
    ours = nn.ModuleList(nn.Linear(shape[1], shape[0], bias=False) for _ in range(3))
    theirs = nn.ModuleList(nn.Linear(shape[1], shape[0], bias=False) for _ in range(3))
    theirs.load_state_dict(ours.state_dict())
    learn(ours, muon(ours, learning_rate=0.1, weight_decay=0.2, momentum=0.9), range(4))
    learn(theirs, torch.optim.Muon(theirs.parameters(), lr=0.1, weight_decay=0.2, momentum=0.9), range(4))
    for found, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_all_other_weights_move_as_under_adamw():
    ours, theirs = build(), build()
    learn(ours, muon(ours, learning_rate=0.1, adamw_rate=1e-2), range(4))
    learn(theirs, adamw(theirs, learning_rate=1e-2), range(4))
    found, expected = dict(ours.named_parameters()), dict(theirs.named_parameters())
    others = {name for name, weight in found.items() if weight.ndim == 1 or name == "embedding.weight"}
    assert {name for name in found if torch.equal(found[name], expected[name])} == others


@pytest.mark.parametrize("tie_embeddings", [False, True])
def test_the_matrices_of_the_blocks_are_orthogonalised_and_nothing_else(tie_embeddings):
    model = build(tie_embeddings)
    hidden, *others = muon(model, learning_rate=0.1).param_groups
    blocks = {name for name, weight in model.named_parameters() if name.startswith("blocks.") and weight.ndim == 2}
    assert names(model, hidden["params"]) == blocks
    decay = {name: group["weight_decay"] for group in others for name in names(model, group["params"])}
    assert decay["embedding.weight"] == 0.0
    assert decay.get("output.weight") == (None if tie_embeddings else 0.1)
    assert blocks | set(decay) == {name for name, _ in model.named_parameters()}


def test_matrices_with_as_many_rows_as_there_are_learned_positions_are_orthogonalised():
    model = Transformer(
        vocab_size=19,
        context=12,
        dim=8,
        layers=1,
        attention=partial(Attention, heads=2),
        feedforward=partial(SwiGLU, hidden=12),
        position=None,
        position_embedding=LearnedPositions,
    )
    hidden, *_ = muon(model, learning_rate=0.1).param_groups
    chosen = names(model, hidden["params"])
    assert "blocks.0.feedforward.up.weight" in chosen  # 12 × 8, as the positions
    assert "position_embedding.weight" not in chosen


def test_singular_values_come_near_one_and_singular_vectors_stay():
    matrix = matrices()[0]
    found = torch.linalg.svdvals(orthogonalize(matrix[None])[0])
    assert found.min() > 0.5
    assert found.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ orthogonalize(matrix[None])[0] @ right.T
    torch.testing.assert_close(turned, torch.diag(turned.diagonal()), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("precision", "least", "most"),
    [("32-true", 0, 2e-5), ("bf16-mixed", 2e-4, 0.1), ("bf16-true", 2e-4, 0.1)],
)
def test_an_fp32_run_orthogonalises_in_fp32_and_a_bf16_run_in_bf16(precision, least, most, monkeypatch):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    model = nn.ModuleList([nn.Linear(96, 64, bias=False)])
    optimizer = make_optimizer(partial(muon, learning_rate=1.0, weight_decay=0.0), model, precision=precision)
    (weight,) = model.parameters()
    weight.data.zero_()
    learn(model, optimizer, range(1))
    exact = orthogonalize(weight.grad.double()[None])[0]
    assert least <= float((-weight.detach() - exact).abs().max()) < most


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true", "64-true"])
def test_the_optimizer_is_given_the_precision_of_the_run(precision):
    module = CausalLM(build(), optimizer=partial(muon, learning_rate=0.1), schedule=lambda step, steps: 1.0, steps=1)
    module.trainer = Trainer(accelerator="cpu", precision=precision, logger=False)
    assert module.configure_optimizers()["optimizer"].bfloat16 == precision.startswith("bf16")


def test_a_precision_that_the_config_sets_is_kept():
    chosen = partial(muon, learning_rate=0.1, precision="bf16-mixed")
    assert make_optimizer(chosen, build(), precision="32-true").bfloat16


def test_a_gradient_of_zero_moves_nothing():
    assert not orthogonalize(torch.zeros(2, 3, 4)).any()


@pytest.mark.parametrize("batch", [1, 100, 2**24])
def test_each_matrix_has_the_result_that_it_has_alone(batch, monkeypatch):
    monkeypatch.setattr("lm.optimizer.orthogonal.BATCH", batch)
    together = orthogonalize_all(matrices())
    assert [tuple(each.shape) for each in together] == SHAPES
    for found, matrix in zip(together, matrices(), strict=True):
        torch.testing.assert_close(found, orthogonalize_all([matrix])[0], rtol=0, atol=1e-12)


def test_two_ranks_compute_what_one_does_whatever_is_sharded(tmp_path):
    assert as_ranks(2, save_updates, tmp_path) == [0, 0]
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    joined = {
        "whole": [first for first, _ in zip(ranks[0]["whole"], ranks[1]["whole"], strict=True)],
        "copies": ranks[1]["copies"],
        "rows": [torch.cat(pair) for pair in zip(ranks[0]["rows"], ranks[1]["rows"], strict=True)],
        "columns": [torch.cat(pair, 1) for pair in zip(ranks[0]["columns"], ranks[1]["columns"], strict=True)],
    }
    for name, found in joined.items():
        for result, expected in zip(found, orthogonalize_all(matrices()), strict=True):
            torch.testing.assert_close(result, expected, rtol=0, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}")
    for pair in zip(ranks[0]["whole"], ranks[1]["whole"], strict=True):
        assert torch.equal(*pair)


def test_a_saved_state_continues_bit_for_bit():
    whole, halves = build(), build()
    learn(whole, muon(whole, learning_rate=0.1), range(4))
    first = muon(halves, learning_rate=0.1)
    learn(halves, first, range(2))
    second = muon(halves, learning_rate=0.1)
    second.load_state_dict(first.state_dict())
    learn(halves, second, range(2, 4))
    assert all(map(torch.equal, whole.parameters(), halves.parameters()))


def test_weights_without_a_gradient_stay_and_have_no_state():
    model = build()
    lora(model, rank=2, alpha=4, targets=["attention.*"])
    optimizer = muon(model, learning_rate=0.1)
    model(torch.zeros(1, 3, dtype=torch.int64)).square().sum().backward()
    frozen = {name: w.detach().clone() for name, w in model.named_parameters() if not w.requires_grad}
    optimizer.step()
    assert set(map(id, optimizer.state)) == {id(weight) for weight in model.parameters() if weight.requires_grad}
    assert all(torch.equal(weight, frozen.get(name, weight)) for name, weight in model.named_parameters())
