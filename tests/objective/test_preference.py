"""The loss of pairs is a mean over the pairs of a step, whatever its partition, against the model before training."""

from functools import partial
from math import log

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lm.data import RowDataModule, Rows
from lm.interval import wilson_interval
from lm.objective import CachedReference, FrozenReference, Preference
from lm.objective.pair_objective import REWARDS
from lm.objective.pairs import Pairs
from lm.objective.preference_losses import dpo, ipo, weighted
from lm.objective.reference_free_losses import likelihood, orpo, simpo
from support.pairs_step import PackedPairs, gradient, made, network, pairs, plan, save_gradient, trainer_of
from support.ranks_here import as_ranks

FORMULAS = {
    "dpo": partial(dpo, beta=0.7),
    "ipo": partial(ipo, beta=0.7),
    "orpo": partial(orpo, odds_weight=0.5),
    "dpo and likelihood": partial(
        weighted, formulas={"dpo": dpo, "likelihood": likelihood}, weights={"dpo": 0.8, "likelihood": 0.5}
    ),
}
DPO = FORMULAS["dpo"]


class Elsewhere(FrozenReference):
    """A reference with other weights, so that the first step's loss is not that of equal models."""

    def __init__(self, model):
        super().__init__(network(seed=5))


def objective(name: str):
    return partial(Preference, formula=FORMULAS[name], reference=None if name == "orpo" else Elsewhere)


def log_probability(model, prompt, answer) -> torch.Tensor:
    ids = torch.from_numpy(np.concatenate([prompt, answer]))
    losses = F.cross_entropy(model(ids[None, :-1])[0], ids[1:], reduction="none")
    return -losses[-len(answer) :].sum()


def naive_gradient(formula) -> dict[str, torch.Tensor]:
    """One side of one pair at a time, by torch's own cross-entropy, then the plain mean over the pairs."""
    model, other = network().double(), network(seed=5).double()
    sums = torch.stack([torch.stack([log_probability(model, p, side) for side in sides]) for p, *sides in pairs()])
    with torch.no_grad():
        there = torch.stack([torch.stack([log_probability(other, p, side) for side in sides]) for p, *sides in pairs()])
    counts = torch.tensor([[len(side) for side in sides] for _, *sides in pairs()])
    loss = formula(Pairs(sums[:, 0], sums[:, 1], counts[:, 0], counts[:, 1], there)).losses.mean()
    loss.backward()
    return {name: value.grad for name, value in model.named_parameters()} | {"loss": loss.detach()}


@pytest.fixture(scope="module")
def references():
    return {name: naive_gradient(formula) for name, formula in FORMULAS.items()}


def assert_equal(found, reference):
    for name, value in reference.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize(("packing", "rows_per_device"), [("alone", 12), ("alone", 1), ("two a row", 4)])
@pytest.mark.parametrize("name", FORMULAS)
def test_micro_batches_and_packing_leave_the_gradient_alone(name, packing, rows_per_device, references, tmp_path):
    found = gradient(objective(name), packing, plan(rows_per_device), tmp_path)
    assert_equal(found, references[name])


def test_two_ranks_leave_the_gradient_alone(references, tmp_path):
    arguments = (objective("ipo"), "two a row", plan(2, 2), PackedPairs, print)
    assert as_ranks(2, save_gradient, tmp_path / "found", *arguments) == [0, 0]
    found = torch.load(tmp_path / "found", weights_only=True)
    assert_equal(found, {name: value for name, value in references["ipo"].items() if name != "loss"})


def fitted(
    module, directory, *, steps=1, rows_per_device=4, precision="32-true", packing="two a row", resume=None, **options
):
    """Train on pairs, with other pairs held out."""
    held_out = PackedPairs(pairs(seed=9, count=7), "two a row")
    rows = Rows({"pairs": PackedPairs(pairs(), packing)}, tokenizer=None, validation=held_out)
    steps = plan(rows_per_device, steps=steps)
    trainer = trainer_of(steps, directory, precision=precision, limit_val_batches=1.0, **options)
    trainer.fit(module, datamodule=RowDataModule(rows.plan(steps, seed=3)), ckpt_path=resume)
    return trainer


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_the_first_loss_of_dpo_is_ln_2_exactly_though_the_model_has_dropout(precision, tmp_path):
    module = made(partial(Preference, formula=DPO, reference=FrozenReference), network(dropout=0.3))
    fitted(module, tmp_path, rows_per_device=12, precision=precision)
    assert float(module.step_loss) == pytest.approx(log(2), rel=1e-7)
    assert module.model.training


def test_log_probabilities_on_disk_serve_as_the_frozen_model_does(tmp_path):
    weights = {}
    for reference in (FrozenReference, CachedReference):
        module = made(partial(Preference, formula=DPO, reference=reference), network(), steps=3)
        fitted(module, tmp_path, steps=3, precision="64-true")
        weights[reference] = module.model.state_dict(), module.validation
    for name, value in weights[FrozenReference][0].items():
        torch.testing.assert_close(weights[CachedReference][0][name], value, rtol=0, atol=1e-10)
    assert weights[CachedReference][1] == pytest.approx(weights[FrozenReference][1], abs=1e-9)
    kept = torch.load(tmp_path / "reference.pt", weights_only=True)
    assert {name: len(table) for name, table in kept["log_probabilities"].items()} == {"training": 24, "validation": 14}
    assert kept["origin"].keys() == {"model", "training", "validation"}


@pytest.mark.parametrize("reference", [FrozenReference, CachedReference])
def test_a_resumed_run_keeps_the_reference_of_its_start(reference, tmp_path):
    """Its network is built from the starting weights again, and the checkpoint is loaded into it later."""

    def module():
        return made(partial(Preference, formula=DPO, reference=reference), network(), steps=4)

    whole, half, resumed = module(), module(), module()
    fitted(whole, tmp_path, steps=4)
    trainer = fitted(half, tmp_path, steps=2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    fitted(resumed, tmp_path, steps=4, resume=tmp_path / "half.ckpt")
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name
    assert resumed.validation == whole.validation


def cached(directory, *, seed=0, packing="two a row"):
    module = made(partial(Preference, formula=DPO, reference=partial(CachedReference, rows=3)), network(seed=seed))
    fitted(module, directory, packing=packing)
    return torch.load(directory / "reference.pt", weights_only=True)


def test_the_file_is_read_again_and_computed_again_only_if_it_is_of_something_else(tmp_path, capsys, monkeypatch):
    first = cached(tmp_path)
    computed = []
    compute = CachedReference._compute
    monkeypatch.setattr(CachedReference, "_compute", lambda *given: computed.append(given) or compute(*given))
    assert cached(tmp_path)["origin"] == first["origin"]
    assert not computed
    assert not capsys.readouterr().err
    cached(tmp_path, seed=1)
    assert "reference.pt is of other weights: the reference is computed again" in capsys.readouterr().err
    cached(tmp_path, seed=1, packing="alone")
    assert "reference.pt is of other training rows" in capsys.readouterr().err
    (tmp_path / "reference.pt").write_bytes(b"torn")
    cached(tmp_path, seed=1, packing="alone")
    assert "reference.pt is damaged" in capsys.readouterr().err
    assert len(computed) == 3


def test_a_frozen_reference_shares_what_does_not_train_and_nothing_else():
    model = network()
    model.blocks.requires_grad_(False)
    reference = FrozenReference(model)
    copied, original = dict(reference._model.named_parameters()), dict(model.named_parameters())
    for name, value in original.items():
        assert (copied[name] is value) == name.startswith("blocks."), name
        assert not copied[name].requires_grad
    assert "_model" not in dict(
        made(partial(Preference, formula=DPO, reference=FrozenReference), model).named_children()
    )


def test_validation_counts_pairs_and_means_them_by_kind(tmp_path):
    module = made(partial(Preference, formula=partial(simpo, beta=1.0, gamma=0.0)), network())
    module.optimizer_factory = lambda model: torch.optim.SGD(model.parameters(), lr=0.0)
    fitted(module, tmp_path, precision="64-true")
    model, held_out = network().double(), pairs(seed=9, count=7)
    with torch.no_grad():
        sums = torch.tensor([[log_probability(model, p, side) for side in sides] for p, *sides in held_out]).double()
    rewards = sums / torch.tensor([[len(side) for side in sides] for _, *sides in held_out])
    found, right = module.validation, (rewards[:, 0] > rewards[:, 1]).double()
    assert found["validation/pairs"] == 7
    assert (found["validation/pairs/even"], found["validation/pairs/odd"]) == (4, 3)
    for name, value in {
        "rewards/chosen": rewards[:, 0],
        "rewards/rejected": rewards[:, 1],
        "rewards/margins": rewards[:, 0] - rewards[:, 1],
        "rewards/accuracies": right,
        "logps/chosen": sums[:, 0],
        "logps/rejected": sums[:, 1],
        "loss": -F.logsigmoid(rewards[:, 0] - rewards[:, 1]),
    }.items():
        assert found[f"validation/{name}"] == pytest.approx(float(value.mean()), rel=1e-9), name
        assert found[f"validation/{name}/odd"] == pytest.approx(float(value[1::2].mean()), rel=1e-9), name
    low, high = wilson_interval(float(right.sum()), 7)
    assert found["validation/rewards/accuracies_low"] == pytest.approx(low)
    assert found["validation/rewards/accuracies_high"] == pytest.approx(high)
    assert module.metric in module.metric_names
    assert module.mode == "max"


def test_equal_rewards_are_half_an_accuracy(tmp_path):
    module = made(partial(Preference, formula=DPO, reference=FrozenReference), network())
    module.optimizer_factory = lambda model: torch.optim.SGD(model.parameters(), lr=0.0)
    fitted(module, tmp_path)
    assert module.validation["validation/rewards/accuracies"] == 0.5
    assert module.validation["validation/loss"] == pytest.approx(log(2), rel=1e-7)


def test_training_metrics_are_means_over_the_pairs_of_one_step(tmp_path):
    module = made(partial(Preference, formula=partial(simpo, beta=1.0)), network(), steps=2)
    module.optimizer_factory = lambda model: torch.optim.SGD(model.parameters(), lr=0.0)
    seen, end = [], module.on_train_batch_end
    module.on_train_batch_end = lambda *given: seen.append(dict(module.step_metrics)) or end(*given)
    fitted(module, tmp_path, steps=2, precision="64-true", packing="alone")
    first, second = seen[2], seen[5]  # at the end of each step of three micro-batches
    assert first.keys() == {*REWARDS, "logps/chosen", "logps/rejected"}
    model = network().double()
    with torch.no_grad():
        sums = torch.tensor([[log_probability(model, p, side) for side in sides] for p, *sides in pairs()])
    for step in (first, second):  # the same pairs, in another order
        assert float(step["logps/chosen"]) == pytest.approx(float(sums[:, 0].mean()), rel=1e-6)
        assert float(step["logps/rejected"]) == pytest.approx(float(sums[:, 1].mean()), rel=1e-6)


def test_a_formula_without_its_reference_is_refused_when_the_objective_is_made():
    with pytest.raises(ValueError, match=r"there is none: set objective/reference=frozen or cached"):
        made(partial(Preference, formula=DPO), network())
