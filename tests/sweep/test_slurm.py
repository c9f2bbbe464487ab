"""What is asked of Slurm, and what comes back, by commands that look like its own. Real: test_slurm_cluster.py."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lm.cli.main import main
from lm.config.outline import config_directory
from lm.process.distribution import install_command
from lm.sweep import slurm
from support.compositions import composition

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))
import toy
from support.slurm_here import slurm_here

submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install 'lightning-lm[cluster]'")

Sweep = Callable[..., int]


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{slurm_here(tmp_path / 'slurm')}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "FILE_DELAY", 0)
    monkeypatch.setattr(slurm, "POLL", 0.05)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(toy.CONF.parent), str(Path(__file__).parents[2])]))
    job = ("train", "data.path=x", "--config-dir", str(config_directory()), "-m", "hydra/launcher=slurm")
    return lambda *arguments: main([*job, "run.name=tune", *arguments], directory=toy.CONF)


def values() -> dict[str, float]:
    records = json.loads(Path("outputs/train/tune/summary.json").read_text())
    return {record["name"]: record["error"] or record["value"] for record in records}


def test_a_sweep_is_one_array_with_its_settings_and_the_first_rank_writes_outcomes(sweep: Sweep) -> None:
    chosen = ("tasks=2", "gpus=8", "minutes=90", "partition=long", "at_once=1", "setup=['export X=1']")
    assert sweep("seed=1,2", "behave=well,bug", *(f"hydra.launcher.{each}" for each in chosen)) == 1
    script = Path("slurm/script.sh").read_text().splitlines()
    for line in (
        "--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=8", "--time=90", "--partition=long", "--array=0-3%1",
        "--signal=USR1@120", "--requeue",
    ):  # fmt: skip
        assert f"#SBATCH {line}" in script
    assert "export X=1" in script
    output = values()
    assert [output[f"seed={seed},behave=well"] for seed in (1, 2)] == pytest.approx([0.016, 0.024])
    assert [output[f"seed={seed},behave=bug"] for seed in (1, 2)] == ["RuntimeError: a bug of ours"] * 2


def test_ranks_follow_the_trainer(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(*trainer: str) -> dict[str, int | None]:
        overrides = ["hydra/launcher=slurm", "data.path=x", *trainer]
        composed = composition("pretrain").compose(overrides).hydra.launcher
        return {key: composed[key] for key in ("nodes", "tasks", "gpus")}

    assert asked("trainer=ddp", "trainer.devices=8", "trainer.num_nodes=2") == {"nodes": 2, "tasks": 8, "gpus": 8}
    assert asked("trainer=cpu", "hydra.launcher.gpus=null") == {"nodes": 1, "tasks": 1, "gpus": None}
    assert main(["pretrain", "-m", "hydra/launcher=slurm", "data.path=x", "seed=1,2", "trainer=auto"]) == 2
    output = (
        "hydra.launcher.tasks: expected int, at least 1, got 'auto' (unless set, it is ${oc.select:trainer.devices,1})"
    )
    assert output in capsys.readouterr().err


def test_a_job_that_dies_without_an_outcome_is_reported_with_its_state(sweep: Sweep) -> None:
    assert sweep("behave=killed,well") == 1
    assert values()["behave=killed"].startswith("Slurm job 7_0 ended as COMPLETED: ")
    assert values()["behave=well"] == pytest.approx(0.008)


def test_a_job_at_its_time_limit_saves_is_queued_again_and_resumes(sweep: Sweep) -> None:
    assert sweep("behave=time_is_up,well") == 0
    assert values()["behave=time_is_up"] == pytest.approx(0.008)
    assert Path("asked").read_text() == "again"


def test_a_machine_without_slurm_is_refused(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert sweep("seed=1,2") == 2
    assert capsys.readouterr().err.startswith("error: hydra/launcher=slurm: sbatch was not found")


def test_without_submitit_the_extra_that_brings_it_is_named(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "submitit"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert sweep("seed=1,2") == 2
    assert capsys.readouterr().err.endswith(f"; {install_command('cluster')}\n")
