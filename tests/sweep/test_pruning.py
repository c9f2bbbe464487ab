"""A pruned run is intact and incomplete: resumed, it gives the result of an unbroken run."""

import csv
import json
import os
import signal
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lm.cli.call import call_job
from lm.directory import Interrupted
from lm.directory.manifest import read_manifest
from lm.sweep import Pruned
from lm.sweep.comparison import Report, read_reports
from lm.sweep.optuna import median
from lm.sweep.pruning import Pruning
from support.ranks_here import as_ranks
from support.training_runs import make_corpus, pretraining, run

pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")

NEVER = 100  # a warmup


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as it is without a search: 12 steps, validated at 4, 8 and 12."""
    call_job(pretraining(corpus, root := tmp_path_factory.mktemp("unbroken"), "run"))
    return root / "pretrain/run"


def pruning(corpus: Path, root: Path, *more: str, warmup: int = 0, best: float = 0.0) -> dict:
    """The run as the second trial of a search, whose first one found `best` at each validation."""
    root.mkdir(exist_ok=True)
    first = {"state": "COMPLETE", "value": best, "values": {1: best, 2: best, 3: best}}
    trials = {"direction": "minimize", "trials": [first, {"state": "RUNNING", "value": None, "values": {}}]}
    (root / "trials.json").write_text(json.dumps(trials))
    rule = f"{{_target_: lm.sweep.optuna.median, _partial_: true, startup: 1, warmup: {warmup}}}"
    node = f"{{_target_: lm.sweep.pruning.Pruning, pruner: {rule}, trials: '{root}/trials.json', trial: 1}}"
    return pretraining(corpus, root, "run", f"+callbacks.pruning={node}", *more)


def weights(directory: Path, which: str) -> dict[str, torch.Tensor]:
    return torch.load(directory / f"checkpoints/{which}.ckpt", weights_only=True)["state_dict"]


def assert_same(directory: Path, other: Path) -> None:
    for which in ("last", "best"):
        one, same = weights(directory, which), weights(other, which)
        assert all(torch.equal(one[name], same[name]) for name in one)
    assert measured(directory) == measured(other)


def measured(directory: Path) -> list[dict[str, str]]:
    with open(directory / "metrics.csv", newline="") as file:
        return [{key: value for key, value in row.items() if "second" not in key} for row in csv.DictReader(file)]


def found(directory: Path) -> list[tuple[int, float]]:
    """Steps of validations and what they found, by metrics.csv."""
    key = "validation/bits_per_byte"
    return [(int(row["step"]), float(row[key])) for row in measured(directory) if row[key]]


@pytest.mark.parametrize(("warmup", "step", "more"), [(0, 4, ()), (2, 8, ()), (2, 8, ("~callbacks.checkpoints",))])
def test_a_pruned_run_is_not_complete_and_resumes_by_hand_as_if_it_had_never_stopped(
    warmup: int, step: int, more: tuple[str, ...], corpus: Path, unbroken: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "pretrain/run"
    with pytest.raises(Pruned) as pruned:
        call_job(pruning(corpus, tmp_path, *more, warmup=warmup))
    assert (pruned.value.step, pruned.value.value) == (step, found(unbroken)[step // 4 - 1][1])
    assert str(pruned.value.message) == f"pruned at step {step} of 12"
    assert read_manifest(directory)["state"] == "started"
    assert torch.load(directory / "checkpoints/last.ckpt", weights_only=True)["global_step"] == step
    assert not list(directory.glob("**/.*.ckpt"))
    by_hand = call_job(pretraining(corpus, tmp_path, "run"))
    assert by_hand == found(unbroken)[-1][1]
    assert read_manifest(directory)["state"] == "complete"
    if not more:
        assert_same(directory, unbroken)


def test_a_promising_run_is_done_and_has_reported_all_its_validations(
    corpus: Path, unbroken: Path, tmp_path: Path
) -> None:
    assert call_job(pruning(corpus, tmp_path, best=99.0)) == found(unbroken)[-1][1]
    assert_same(tmp_path / "pretrain/run", unbroken)
    reports = read_reports(tmp_path / "pretrain/run")
    assert [(each.step, each.value) for each in reports] == found(unbroken)
    assert [each.validation for each in reports] == [1, 2, 3]
    assert read_manifest(tmp_path / "pretrain/run")["state"] == "complete"


def test_after_its_last_validation_a_run_is_done_whatever_it_found(corpus: Path, tmp_path: Path) -> None:
    assert call_job(pruning(corpus, tmp_path, warmup=3)) > 0
    assert read_manifest(tmp_path / "pretrain/run")["state"] == "complete"


def test_validations_are_counted_where_they_do_not_divide_the_steps(corpus: Path, tmp_path: Path) -> None:
    call_job(pruning(corpus, tmp_path, "budget.steps=7", best=99.0))
    output = [(each.validation, each.step) for each in read_reports(tmp_path / "pretrain/run")]
    assert output == [(1, 3), (2, 6), (3, 7)]


# saved: step 2, best and last at 4, 6, best and last at 8
@pytest.mark.parametrize(("saves", "warmup", "step"), [(2, 0, 4), (3, 2, 8), (4, 0, 8), (6, 2, 8)])
def test_a_run_killed_on_its_way_is_pruned_where_an_unbroken_one_is(
    saves: int, warmup: int, step: int, corpus: Path, unbroken: Path, tmp_path: Path
) -> None:
    killer = f"+callbacks.kill={{_target_: support.killers.KillAfterSaving, saves: {saves}}}"
    assert run(pruning(corpus, tmp_path, killer, warmup=NEVER)) == -9
    before = len(measured(tmp_path / "pretrain/run"))
    with pytest.raises(Pruned) as pruned:
        call_job(pruning(corpus, tmp_path, warmup=warmup))
    assert pruned.value.step == step
    reports = read_reports(tmp_path / "pretrain/run")
    assert [(each.step, each.value) for each in reports] == found(unbroken)[: step // 4]
    with pytest.raises(Pruned) as again:
        call_job(pruning(corpus, tmp_path, warmup=warmup))
    assert (again.value.step, again.value.value) == (step, pruned.value.value)
    assert len(measured(tmp_path / "pretrain/run")) >= before
    assert measured(tmp_path / "pretrain/run")[-1]["step"] == str(step)


def test_a_signal_in_the_validation_that_prunes_saves_and_the_run_is_pruned_on_resume(
    corpus: Path, tmp_path: Path
) -> None:
    sender = f"+callbacks.send={{_target_: support.killers.SignalInValidation, step: 4, number: {int(signal.SIGTERM)}}}"
    with pytest.raises(Interrupted) as ended:
        call_job(pruning(corpus, tmp_path, sender))
    assert (type(ended.value), ended.value.signal_number) == (Interrupted, signal.SIGTERM)
    with pytest.raises(Pruned) as pruned:
        call_job(pruning(corpus, tmp_path))
    assert pruned.value.step == 4


def on_a_rank(config: dict, note: str, environment: dict) -> None:
    os.environ.update(environment)
    rank = environment["RANK"]
    if rank != "0":  # which has to do as the first one says
        config["callbacks"]["pruning"]["trials"] = "nowhere.json"
    try:
        call_job(config)
    except Pruned as pruned:
        Path(note, rank).write_text(json.dumps([pruned.step, pruned.value]))


def test_all_ranks_leave_at_the_same_step_as_the_first_decides(corpus: Path, tmp_path: Path) -> None:
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    config = pruning(corpus, tmp_path, *two, warmup=2)
    assert as_ranks(2, on_a_rank, config, str(tmp_path)) == [0, 0]
    first, second = (json.loads((tmp_path / rank).read_text()) for rank in "01")
    assert first == second
    assert first[0] == 8
    last = torch.load(tmp_path / "pretrain/run/checkpoints/last.ckpt", weights_only=True)
    assert last["global_step"] == 8
    assert [(each.step, each.value) for each in read_reports(tmp_path / "pretrain/run")][-1] == tuple(first)


@pytest.mark.parametrize(
    ("more", "output"),
    [(("validations=1",), "validates only at its end"), (("validations=3", "budget.steps=1"), "only at its end")],
)
def test_a_run_that_validates_only_at_its_end_is_refused(
    more: tuple[str, ...], output: str, corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=output):
        call_job(pruning(corpus, tmp_path, *more))


def test_a_run_without_held_out_data_is_refused(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", share=0.0)
    with pytest.raises(ValueError, match="validates never"):
        call_job(pruning(corpus, tmp_path))


def test_another_metric_does_not_replace_that_of_the_job() -> None:
    callback = Pruning(pruner=lambda: None, trials="nowhere.json", trial=0)
    with pytest.raises(ValueError, match="validation/bits_per_byte, which a search compares, is not among"):
        callback.on_validation_end(SimpleNamespace(global_step=1), module({"validation/loss": 1.0}))


def module(validation: dict[str, float], metric: str = "validation/bits_per_byte", mode: str = "min"):
    return SimpleNamespace(validation=validation, metric=metric, mode=mode)


@pytest.mark.parametrize("direction", [None, "minimize", "maximize"])
@pytest.mark.parametrize(("mode", "worse", "better"), [("max", 0.2, 0.8), ("min", 0.8, 0.2)])
def test_a_run_is_pruned_in_the_direction_of_its_own_metric_unless_the_search_sets_another(
    mode: str, worse: float, better: float, direction: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {"state": "COMPLETE", "value": 0.5, "values": {1: 0.5, 2: 0.5}}
    trials = {"direction": direction, "trials": [first, {"state": "RUNNING", "value": None, "values": {}}]}
    (tmp_path / "trials.json").write_text(json.dumps(trials))
    monkeypatch.setattr("lm.sweep.pruning.save", lambda trainer, which: None)
    strategy = SimpleNamespace(broadcast=lambda value: value)
    trainer = SimpleNamespace(
        global_step=1, max_steps=2, val_check_interval=1, accumulate_grad_batches=1, default_root_dir=tmp_path
    )
    trainer.is_global_zero, trainer.strategy = True, strategy
    turned = direction is not None and direction != {"min": "minimize", "max": "maximize"}[mode]
    for value, pruned in ((worse, not turned), (better, turned)):
        objective = module({"reward": value}, "reward", mode)
        callback = Pruning(pruner=lambda: median(startup=1), trials=f"{tmp_path}/trials.json", trial=1)
        callback.on_validation_end(trainer, objective)
        with pytest.raises(Pruned) if pruned else nullcontext() as ended:
            callback.on_train_batch_start(trainer, objective, None, 0)
        if pruned:
            assert (ended.value.value, ended.value.value.name, ended.value.value.mode) == (value, "reward", mode)


def test_a_report_of_a_step_that_was_not_saved_is_not_counted_twice(corpus: Path, tmp_path: Path) -> None:
    killer = "+callbacks.kill={_target_: support.killers.KillAfterSaving, saves: 1}"
    assert run(pruning(corpus, tmp_path, killer, warmup=NEVER)) == -9
    stale = [Report(1, 4, 0.0), Report(2, 8, 0.0)]
    (tmp_path / "pretrain/run/.validations.json").write_text(json.dumps([vars(each) for each in stale]))
    call_job(pruning(corpus, tmp_path, best=99.0))
    assert [each.validation for each in read_reports(tmp_path / "pretrain/run")] == [1, 2, 3]
    assert all(each.value > 0 for each in read_reports(tmp_path / "pretrain/run"))
