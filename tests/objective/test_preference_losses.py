"""Preference losses equal the published formulas by hand, and those of trl in value and gradient."""

from collections import defaultdict
from functools import partial
from math import log
from types import SimpleNamespace

import pytest
import torch

from lm.config.check import examine
from lm.config.composition import Composition
from lm.config.outline import config_directory
from lm.objective.pairs import Pairs
from lm.objective.preference_losses import (
    cdpo,
    discopop,
    dpo,
    dpo_norm,
    dpop,
    exo,
    hinge,
    ipo,
    robust,
    weighted,
)
from lm.objective.reference_free_losses import cpo, likelihood, orpo, simpo
from lm.objective.side_losses import apo_down, apo_zero, bco, nca, sppo


def one(chosen, rejected, *, tokens=(1, 1), reference=(0.0, 0.0)) -> Pairs:
    """A pair in fp64; a reference of 0 makes its log-probabilities the ratios."""
    sides = [torch.tensor([float(value)], dtype=torch.float64) for value in (chosen, rejected, *tokens)]
    return Pairs(*sides, None if reference is None else torch.tensor([reference], dtype=torch.float64))


R_2_1 = one(2, -1, tokens=(4, 2))  # a difference of 3, and of 1 per token


@pytest.mark.parametrize(
    ("formula", "pairs", "loss"),
    [
        (partial(dpo, beta=0.1), R_2_1, 0.554355),
        (partial(cdpo, beta=0.1, label_smoothing=0.1), R_2_1, 0.584355),
        (partial(robust, beta=0.1, label_smoothing=0.1), R_2_1, 0.516855),
        (partial(ipo, beta=0.1), R_2_1, 16.0),
        (partial(ipo, beta=0.1, per_token=False), R_2_1, 4.0),
        (partial(dpo_norm, beta=0.1), R_2_1, 0.644397),
        (partial(hinge, beta=0.1), R_2_1, 0.7),
        (partial(hinge, beta=1.0), R_2_1, 0.0),
        (partial(dpop, beta=0.1, penalty=50.0), R_2_1, 0.554355),  # the chosen side has become more likely
        (partial(dpop, beta=0.1, penalty=1.0), one(-1, -4), 0.598139),  # 3 - 1
        (partial(simpo, beta=2.0, gamma=1.0), one(-4, -3, tokens=(4, 2), reference=None), log(2)),
        (partial(orpo, odds_weight=1.0), one(-2, -2, tokens=(4, 2), reference=None), 0.5 + 0.320300),
        (partial(orpo, odds_weight=0.0), one(-2, -2, tokens=(4, 2), reference=None), 0.5),
        (partial(cpo, beta=0.1, likelihood_weight=0.0), one(2, -1, reference=None), 0.554355),
        (partial(cpo, beta=0.1), one(-2, -5, tokens=(4, 2), reference=None), 0.554355 + 0.5),
        (likelihood, one(-2, -2, tokens=(4, 2), reference=None), 0.5),
    ],
)
def test_losses_are_those_computed_by_hand(formula, pairs, loss):
    assert float(formula(pairs).losses) == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("beta", [0.01, 0.1, 5.0])
def test_where_model_and_reference_agree_the_loss_of_dpo_is_ln_2(beta):
    assert float(dpo(one(-17.3, -4.1, reference=(-17.3, -4.1)), beta=beta).losses) == log(2)


TRL = {
    "sigmoid": dpo,
    "robust": partial(robust, label_smoothing=0.2),
    "ipo": ipo,
    "sigmoid_norm": dpo_norm,
    "hinge": hinge,
    "exo_pair": partial(exo, label_smoothing=0.2),
    "nca_pair": nca,
    "bco_pair": bco,
    "sppo_hard": sppo,
    "apo_zero": apo_zero,
    "apo_down": apo_down,
    "discopop": discopop,
}
COUNTS = torch.tensor([[3, 5], [1, 2], [7, 4], [2, 2], [4, 6], [5, 1]])  # tokens of both sides of each pair
WIDTH = 8


def token_log_probabilities() -> torch.Tensor:
    """Of six chosen answers, then of six rejected ones; 0 where there is no token of an answer."""
    torch.manual_seed(0)
    drawn = -torch.rand(12, WIDTH, dtype=torch.float64) * 3
    return (drawn * answer_mask()).requires_grad_()


def answer_mask() -> torch.Tensor:
    counts = COUNTS.T.reshape(-1, 1)
    return (torch.arange(WIDTH) < counts).double()


def reference() -> torch.Tensor:
    torch.manual_seed(1)
    return -torch.rand(6, 2, dtype=torch.float64) * 8


def mean_of_trl(loss_types, weights, *, beta, tokens) -> tuple[torch.Tensor, dict[str, list[float]]]:
    """The loss that trl's own method computes, given the log-probabilities of tokens, and what it logs."""
    trainer = pytest.importorskip("trl.trainer.dpo_trainer").DPOTrainer
    mask = torch.cat([torch.zeros(12, 1), answer_mask()], 1).long()  # one token of prompt

    def model(**_):
        zeros = torch.zeros(12, WIDTH)
        return SimpleNamespace(log_probs=tokens, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())

    model.training = True
    this = SimpleNamespace(
        model=model, aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=True, use_weighting=False,
        f_divergence_type="reverse_kl", loss_types=loss_types, loss_weights=weights, beta=beta, label_smoothing=0.2,
        args=SimpleNamespace(discopop_tau=0.05), _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0, _tp_size=1,
        accelerator=SimpleNamespace(device="cpu", gather=lambda each: each, gather_for_metrics=lambda each: each),
    )  # fmt: skip
    sides = reference()
    inputs = {
        "input_ids": mask, "attention_mask": mask, "completion_mask": mask, "ref_chosen_logps": sides[:, 0],
        "ref_rejected_logps": sides[:, 1],
    }  # fmt: skip
    return trainer._compute_loss(this, model, inputs, False), this._metrics["train"]


def pairs_of(tokens) -> Pairs:
    sums = tokens.sum(1)
    return Pairs(sums[:6], sums[6:], COUNTS[:, 0], COUNTS[:, 1], reference())


@pytest.mark.parametrize("beta", [0.1, 0.7])
@pytest.mark.parametrize("name", TRL)
def test_values_and_gradients_are_those_of_trl(name, beta):
    tokens = token_log_probabilities()
    theirs, logged = mean_of_trl([name], [1.0], beta=beta, tokens=tokens)
    ours = TRL[name](pairs_of(tokens), beta=beta)
    torch.testing.assert_close(ours.losses.mean(), theirs, rtol=0, atol=1e-6)
    gradients = [torch.autograd.grad(loss, tokens)[0] for loss in (ours.losses.mean(), theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6)
    if name not in ("ipo", "sigmoid_norm"):  # whose rewards trl logs as sums, though the loss compares means
        assert [ours.chosen.mean().item()] == pytest.approx(logged["rewards/chosen"], abs=1e-6)
        accuracy = (ours.chosen > ours.rejected).double().mean()
        assert [float(accuracy)] == pytest.approx(logged["rewards/accuracies"], abs=1e-6)


def test_a_mixture_is_the_weighted_sum_and_reports_the_rewards_of_its_first_part():
    tokens = token_log_probabilities()
    formulas = {"dpo": partial(dpo, beta=0.3), "bco": partial(bco, beta=0.3)}
    ours = weighted(pairs_of(tokens), formulas=formulas, weights={"dpo": 0.8, "bco": 0.2})
    theirs, _ = mean_of_trl(["sigmoid", "bco_pair"], [0.8, 0.2], beta=0.3, tokens=tokens)
    torch.testing.assert_close(ours.losses.mean(), theirs, rtol=0, atol=1e-6)
    assert torch.equal(ours.chosen, dpo(pairs_of(tokens), beta=0.3).chosen)
    with pytest.raises(ValueError, match=r"weights names dpo, and objective\.formula\.formulas dpo, bco"):
        weighted(pairs_of(tokens), formulas=formulas, weights={"dpo": 1.0})


def test_the_reference_free_losses_of_trl_are_ours():
    cpo_trainer = pytest.importorskip("trl.experimental.cpo.cpo_trainer").CPOTrainer
    orpo_trainer = pytest.importorskip("trl.experimental.orpo.orpo_trainer").ORPOTrainer
    pairs = pairs_of(token_log_probabilities())
    this = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu"), loss_type="simpo", alpha=0.0, simpo_gamma=0.6, beta=1.5,
        label_smoothing=0.0,
    )  # fmt: skip
    theirs, *_ = cpo_trainer.cpo_loss(this, *pairs.per_token())
    torch.testing.assert_close(simpo(pairs, beta=1.5, gamma=0.6).losses, theirs, rtol=0, atol=1e-6)
    this.loss_type = "sigmoid"
    theirs, *_ = cpo_trainer.cpo_loss(this, pairs.chosen, pairs.rejected)
    torch.testing.assert_close(cpo(pairs, beta=1.5, likelihood_weight=0).losses, theirs, rtol=0, atol=1e-6)
    theirs, *_ = orpo_trainer.odds_ratio_loss(this, *pairs.per_token())
    found = orpo(pairs, odds_weight=1.5).losses + pairs.per_token()[0]
    torch.testing.assert_close(found, -theirs.double(), rtol=0, atol=1e-6)


def test_a_certain_answer_leaves_the_odds_and_their_gradient_finite():
    chosen = torch.zeros(1, requires_grad=True)
    pairs = Pairs(chosen, torch.full((1,), -40.0), torch.ones(1), torch.ones(1))
    loss = orpo(pairs).losses.sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(chosen.grad).all()


@pytest.mark.parametrize("formula", [*TRL.values(), cdpo, dpop])
def test_a_formula_that_compares_with_a_reference_refuses_to_do_without(formula):
    with pytest.raises(ValueError, match=r"there is none: set objective/reference=frozen or cached"):
        formula(one(-1, -2, reference=None))


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["objective=dpo", "objective.formula.beta=0"], "objective.formula.beta"),
        (["objective=dpo", "objective.formula.beta=-0.1"], "objective.formula.beta"),
        (["objective=dpo", "objective.formula.beta=high"], "objective.formula.beta"),
        (["objective=cdpo", "objective.formula.label_smoothing=0.5"], "objective.formula.label_smoothing"),
        (["objective=robust", "objective.formula.label_smoothing=0.5"], "objective.formula.label_smoothing"),
        (["objective=exo", "objective.formula.label_smoothing=0"], "objective.formula.label_smoothing"),
        (["objective=simpo", "objective.formula.gamma=-1"], "objective.formula.gamma"),
        (["objective=mpo", "objective.formula.formulas.dpo.beta=0"], "objective.formula.formulas.dpo.beta"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_key(overrides, key):
    composed = Composition("pretrain", directory=config_directory()).compose(["data.path=none", *overrides])
    _, faults = examine(composed)
    assert [fault for fault in map(str, faults) if key in fault], faults
