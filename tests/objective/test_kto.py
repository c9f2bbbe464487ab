"""KTO judges single answers against a baseline that is one number for the whole optimizer step."""

from collections import defaultdict
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lm.batch import LabelledBatch
from lm.objective import KTO, CachedReference, FrozenReference
from lm.objective.kto import kto_losses
from support.pairs_step import CONTEXT, PackedPairs, gradient, made, network, pairs, plan, save_gradient
from support.ranks_here import as_ranks

BETA, WEIGHTS = 0.7, (1.0, 1.3)


def test_the_loss_is_that_computed_by_hand():
    ratios = torch.tensor([2.0, 2.0], dtype=torch.float64)
    found = kto_losses(ratios, torch.tensor([True, False]), baseline=0.5, beta=0.1, weights=(1.0, 1.0))
    assert found.tolist() == pytest.approx([0.462570, 0.537430], abs=1e-6)


def test_values_and_gradients_are_those_of_trl():
    trainer = pytest.importorskip("trl.trainer.kto_trainer").KTOTrainer
    torch.manual_seed(0)
    tokens = (-torch.rand(6, 4, dtype=torch.float64) * 2).requires_grad_()
    reference, label = -torch.rand(6, dtype=torch.float64) * 5, torch.tensor([1, 0, 1, 1, 0, 0]).bool()
    apart = torch.tensor([1.0, -0.5, 2.0, 0.3, 0.1, 0.4], dtype=torch.float64)  # of mismatched answers
    mask, zeros = torch.ones(6, 5, dtype=torch.long), torch.zeros(6, 4)

    def model(**_):
        return SimpleNamespace(log_probs=tokens, entropy=zeros, mean_logits=zeros)

    model.training = True
    this = SimpleNamespace(
        model=model, aux_loss_enabled=False, precompute_ref_logps=True, calculate_KL=True, loss_type="kto", beta=BETA,
        desirable_weight=WEIGHTS[0], undesirable_weight=WEIGHTS[1], _total_train_tokens=0, _tp_size=1,
        _compute_kl_logps=lambda *_: apart, _metrics=defaultdict(lambda: defaultdict(list)),
        accelerator=SimpleNamespace(device="cpu", gather_for_metrics=lambda each: each),
    )  # fmt: skip
    inputs = {
        "input_ids": mask, "attention_mask": mask, "completion_mask": mask, "label": label, "ref_logps": reference,
        "ref_KL_logps": torch.zeros(6, dtype=torch.float64),
    }  # fmt: skip
    theirs = trainer._compute_loss(this, model, inputs, False)
    baseline = apart.mean().clamp(min=0)
    ours = kto_losses(tokens.sum(1) - reference, label, baseline=baseline, beta=BETA, weights=WEIGHTS).mean()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    gradients = [torch.autograd.grad(loss, tokens)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6)


class Elsewhere(FrozenReference):
    """A reference with other weights, so that the baseline is not 0."""

    def __init__(self, model):
        super().__init__(network(seed=5, scale=0.8))


OBJECTIVE = partial(KTO, reference=Elsewhere, beta=BETA, desirable_weight=WEIGHTS[0], undesirable_weight=WEIGHTS[1])


def ratios(texts) -> torch.Tensor:
    """log π − log π_ref of each answer, one text at a time."""
    model, other = MODELS["model"], MODELS["reference"]

    def log_probability(model, prompt, answer):
        ids = torch.from_numpy(np.concatenate([prompt, answer]))
        losses = F.cross_entropy(model(ids[None, :-1])[0], ids[1:], reduction="none")
        return -losses[-len(answer) :].sum()

    return torch.stack([log_probability(model, *text) - log_probability(other, *text).detach() for text in texts])


MODELS: dict = {}


@pytest.fixture(scope="module")
def reference() -> dict[str, torch.Tensor]:
    """The gradient by the definition, one text at a time, with the baseline of the whole step."""
    model = MODELS["model"] = network().double()
    MODELS["reference"] = network(seed=5, scale=0.8).double()
    texts = [(prompt, side) for prompt, *sides in pairs() for side in sides]
    apart = []
    for index, (prompt, _) in enumerate(texts):
        after = [texts[(index + step) % len(texts)] for step in range(1, len(texts))]
        answer = next(answer for other, answer in after if not np.array_equal(other, prompt))
        apart.append((prompt, answer[: CONTEXT + 1 - len(prompt)]))
    baseline = ratios(apart).mean().clamp(min=0).detach()
    assert baseline > 0.1
    desirable = torch.tensor([True, False] * len(pairs()))
    kto_losses(ratios(texts), desirable, baseline=baseline, beta=BETA, weights=WEIGHTS).mean().backward()
    return {name: value.grad for name, value in model.named_parameters()}


def assert_equal(found, reference):
    for name, value in reference.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize(("packing", "rows_per_device"), [("alone", 12), ("alone", 1), ("two a row", 4)])
def test_micro_batches_and_packing_leave_baseline_and_gradient_alone(packing, rows_per_device, reference, tmp_path):
    assert_equal(gradient(OBJECTIVE, packing, plan(rows_per_device), tmp_path), reference)


def test_two_ranks_leave_baseline_and_gradient_alone(reference, tmp_path):
    arguments = (OBJECTIVE, "two a row", plan(2, 2), PackedPairs, print)
    assert as_ranks(2, save_gradient, tmp_path / "found", *arguments) == [0, 0]
    assert_equal(torch.load(tmp_path / "found", weights_only=True), reference)


def answers(count: int) -> LabelledBatch:
    tokens = torch.arange(3 * count).view(count, 3)
    numbers = torch.arange(count)[:, None]
    return LabelledBatch(
        tokens, tokens + 1, torch.tensor([[False, True, True]] * count), float(count),
        documents=torch.zeros_like(tokens), example=numbers, desirable=numbers % 2 == 0,
    )  # fmt: skip


def test_metrics_are_means_over_good_and_over_bad_answers():
    module = made(OBJECTIVE, network())
    module.prepare_step([batch := answers(5)])
    module.summed_loss(batch)
    found = {name: float(value) for name, value in module.step_metrics.items()}
    sums = torch.zeros(module.validation_sums, 2, dtype=torch.float64)
    with torch.no_grad():
        module.add_validation(batch, sums)
    held_out = module.summarize(sums)
    for name in ("rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected"):
        assert found[name] == pytest.approx(held_out[f"validation/{name}"], rel=1e-5), name
    assert held_out["validation/answers"] == 5
    assert 0 <= held_out["validation/rewards/accuracies_low"] < held_out["validation/rewards/accuracies"]
    assert found["kl"] == pytest.approx(float(module.baseline))
    assert module.metric in module.metric_names


def test_a_step_of_one_answer_is_refused():
    with pytest.raises(ValueError, match=r"compares the answers of a step, and this one has 1: raise budget.batch_tok"):
        made(OBJECTIVE, network()).prepare_step([answers(1)])


def test_a_cache_is_refused():
    with pytest.raises(ValueError, match=r"behind other prompts.*set objective/reference=frozen"):
        made(partial(KTO, reference=CachedReference), network())
