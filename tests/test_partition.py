"""The gradient of an optimizer step does not depend on how its rows are divided: micro-batches, ranks, packing."""

import multiprocessing
import socket

import pytest
import torch

from lm.model.experts import recorded_routing, sparse_layers
from lm.objective import CausalLM
from lm.optimizer import Plan
from support.partition_step import CONTEXT, PACKINGS, PackedTexts, gradient, network, save_gradient, texts
from support.preparing import Scaled

ROWS = 24  # as many as there are documents, so that every packing has that many, some of them empty


def plan(rows_per_device: int, devices: int = 1) -> Plan:
    return Plan(
        steps=1,
        rows_per_step=ROWS,
        rows_per_device=rows_per_device,
        accumulate=ROWS // devices // rows_per_device,
        devices=devices,
        row_tokens=CONTEXT,
    )


def naive_gradient(prompt_weight: float = 0.0, *, sparse: bool = False) -> dict[str, torch.Tensor]:
    """One document at a time, the plain weighted mean over all targets, by torch's own cross-entropy."""
    model = network(sparse=sparse).double()
    losses, weights = [], []
    for tokens, supervised in texts():
        with recorded_routing(sparse_layers(model)) as routing:
            logits = model(torch.from_numpy(tokens[None, :-1]))[0]
        extra = naive_balance([layer[0].logits[0] for layer in routing], top=2) if sparse else 0.0
        losses.append(torch.nn.functional.cross_entropy(logits, torch.from_numpy(tokens[1:]), reduction="none") + extra)
        weights.append(torch.where(torch.from_numpy(supervised), 1.0, prompt_weight).double())
    ((torch.cat(losses) * torch.cat(weights)).sum() / torch.cat(weights).sum()).backward()
    return {name: value.grad for name, value in model.named_parameters()}


def naive_balance(layers: list[torch.Tensor], *, top: int) -> torch.Tensor:
    """Half the balancing loss of one text and a tenth of its z-loss, as written in the papers."""
    scores = torch.cat(layers)
    probabilities = scores.softmax(-1)
    gets = torch.zeros_like(probabilities).scatter(1, probabilities.topk(top).indices, 1.0)
    balance = scores.shape[-1] * (gets.mean(0) * probabilities.mean(0)).sum()
    return 0.5 * balance + 0.1 * scores.logsumexp(-1).square().mean()


@pytest.fixture(scope="module")
def reference():
    return naive_gradient()


def assert_equal(found, reference):
    for name, value in reference.items():
        assert torch.isfinite(found[name]).all()
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


def test_some_micro_batches_have_nothing_supervised():
    counts = PackedTexts(texts(), PACKINGS["best fit"], ROWS).counts
    assert (counts == 0).sum() >= 4
    assert len(set(counts.tolist())) > 4


@pytest.mark.parametrize("packing", ["best fit", "alone"])
@pytest.mark.parametrize("rows_per_device", [1, 2, 8, 24])
def test_micro_batches_and_packing_leave_the_gradient_alone(packing, rows_per_device, reference):
    assert_equal(gradient(packing, plan(rows_per_device), ROWS), reference)


@pytest.mark.parametrize(("packing", "rows_per_device"), [("best fit", 1), ("best fit", 8), ("alone", 24)])
def test_a_prompt_weight_leaves_the_gradient_alone_too(packing, rows_per_device):
    found = gradient(packing, plan(rows_per_device), ROWS, prompt_weight=0.125)
    assert_equal(found, naive_gradient(prompt_weight=0.125))


@pytest.mark.parametrize("rows_per_device", [1, 12])
def test_cut_documents_leave_micro_batches_equal(rows_per_device):
    """Cutting takes context away from what follows the cut, so it is compared with itself."""
    assert_equal(gradient("cut", plan(rows_per_device), ROWS), gradient("cut", plan(24), ROWS))


def on_two_ranks(
    path, packing: str, rows_per_device: int, objective=CausalLM, sparse: bool = False
) -> dict[str, torch.Tensor]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["lm.jobs.train"])
    ranks = [
        processes.Process(
            target=save_gradient,
            args=(path, group | {"LOCAL_RANK": str(rank)}, packing, plan(rows_per_device, 2), ROWS, objective, sparse),
        )
        for rank in range(2)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(120)
        assert rank.exitcode == 0
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(("packing", "rows_per_device"), [("best fit", 1), ("best fit", 4), ("alone", 12)])
def test_two_ranks_leave_the_gradient_alone(packing, rows_per_device, reference, tmp_path):
    assert_equal(on_two_ranks(tmp_path / "gradient", packing, rows_per_device), reference)


@pytest.mark.parametrize(("packing", "rows_per_device"), [("best fit", 1), ("best fit", 24), ("alone", 8)])
def test_a_step_of_sparse_experts_and_its_balancing_loss_is_the_same_in_any_partition(packing, rows_per_device):
    assert_equal(gradient(packing, plan(rows_per_device), ROWS, sparse=True), naive_gradient(sparse=True))


def test_a_prompt_weight_weighs_texts_in_the_balancing_loss():
    found = gradient("best fit", plan(8), ROWS, prompt_weight=0.125, sparse=True)
    assert_equal(found, naive_gradient(prompt_weight=0.125, sparse=True))


def test_two_ranks_that_need_different_experts_leave_the_gradient_alone(tmp_path):
    found = on_two_ranks(tmp_path / "gradient", "best fit", 1, sparse=True)
    assert_equal(found, naive_gradient(sparse=True))


def prepared_reference(reference) -> dict[str, torch.Tensor]:
    """What `Scaled` gives where each document is a row: the scale is a number of the whole step."""
    counts = torch.tensor([float(supervised.sum()) for _, supervised in texts()], dtype=torch.float64)
    scale = counts.square().sum()
    return {name: value * scale for name, value in reference.items()}


@pytest.mark.parametrize("rows_per_device", [1, 8, 24])
def test_an_objective_sees_all_micro_batches_of_a_step_before_the_first_is_trained(rows_per_device, reference):
    found = gradient("alone", plan(rows_per_device), ROWS, objective=Scaled)
    assert_equal(found, prepared_reference(reference))
    assert float(found["share"]) == pytest.approx(1)  # of all micro-batches, and of none of another step
    assert float(found["targets"]) == sum(int(supervised.sum()) for _, supervised in texts())


def test_an_objective_sees_the_micro_batches_of_all_ranks(reference, tmp_path):
    found = on_two_ranks(tmp_path / "gradient", "alone", 4, Scaled)
    assert_equal(found, prepared_reference(reference))
    assert 0 < float(found["share"]) < 1  # of this rank
