"""On a real Slurm: several ranks, jobs that are requeued and resume, sweeps of which one job is run again.

Needs sbatch and a partition that SLURM_PARTITION names, of two cores, from which a job of the partition `urgent` pushes
others. `tests/support/slurm_setup.sh` makes such a Slurm of one machine: see its first lines.
"""

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest

from lm.directory.manifest import read_manifest
from support.training_runs import make_corpus, of_seconds, pretraining, run

pytestmark = pytest.mark.slurm
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
EXACT = ("model.dropout=0.0", "compute.precision=64-true")
SLOW = "+callbacks.slow={_target_: support.killers.Slow, seconds: 0.5}"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if which("sbatch") is None or "SLURM_PARTITION" not in os.environ:
        pytest.skip("needs Slurm: tests/support/slurm_setup.sh says how")
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def sweep(corpus: Path, root: Path, *arguments: str) -> subprocess.Popen:
    """`lm pretrain -m` on Slurm, on its way."""
    launcher = {"partition": os.environ["SLURM_PARTITION"], "gpus": "null", "minutes": 15}
    chosen = (f"hydra.launcher.{key}={value}" for key, value in launcher.items())
    typed = of_seconds(corpus, root, "tune", "-m", "hydra/launcher=slurm", *chosen, *arguments)
    command = [sys.executable, "-m", "lm", "pretrain", *typed]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def by_hand(launcher: list[str], corpus: Path, root: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [*launcher, sys.executable, "-m", "lm", "pretrain", *of_seconds(corpus, root, "run", *arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


def until(holds: Callable[[], object]) -> None:
    for _ in range(2400):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to that in 4 minutes")


def job_of(directory: Path) -> str:
    """The number of the Slurm job that has been submitted last."""
    logs = (directory / ".jobs/slurm").glob("*_0_log.out")
    return max(int(re.match(r"\d+", log.name)[0]) for log in logs)


def results(directory: Path) -> dict[str, float]:
    return {each["name"]: each["value"] for each in json.loads((directory / "summary.json").read_text())}


def steps(directory: Path) -> list[int]:
    with open(directory / "metrics.csv", newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]


@pytest.mark.parametrize(("trainer", "precision", "error"), [("ddp", "64-true", 1e-9), ("fsdp", "32-true", 1e-5)])
def test_jobs_of_two_ranks_return_what_one_process_does(
    trainer: str, precision: str, error: float, corpus: Path, tmp_path: Path
) -> None:
    exact = ("model.dropout=0.0", f"compute.precision={precision}")
    process = sweep(corpus, tmp_path, *TWO, f"trainer={trainer}", *exact, "seed=0,1")
    assert process.communicate(timeout=500)
    assert process.returncode == 0
    found = results(tmp_path / "pretrain/tune")
    for seed in (0, 1):
        assert run(pretraining(corpus, tmp_path, f"alone-{seed}", *exact, f"seed={seed}")) == 0
        alone = read_manifest(tmp_path / f"pretrain/alone-{seed}")["result"]["validation/bits_per_byte"]
        assert found[f"seed={seed}"] == pytest.approx(alone, rel=error)


@pytest.mark.parametrize(
    "command",
    [
        "scontrol requeue {job}",
        "scancel --signal=USR1 {job}",  # as Slurm does some time before a job's is up
        "srun --partition=urgent --ntasks=2 true",
    ],
)
def test_a_job_that_is_queued_again_resumes_its_run_and_its_curve(command: str, corpus: Path, tmp_path: Path) -> None:
    process = sweep(corpus, tmp_path, *TWO, "logger=wandb", "seed=0,0", SLOW)  # one job, typed twice
    directory = tmp_path / "pretrain/tune/seed=0"
    until(lambda: (directory / "metrics.csv").exists() and len(steps(directory)) >= 3)
    job = job_of(tmp_path / "pretrain/tune")
    subprocess.run(command.format(job=job).split(), check=True, timeout=300)
    said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert steps(directory) == [*range(1, 13)]
    [log] = (tmp_path / "pretrain/tune/.jobs/slurm").glob("*_0_log.out")
    assert log.read_text().count("resuming from") == 1
    assert len({file.name for file in directory.glob("wandb/offline-run-*/*.wandb")}) == 1
    assert len(list(directory.glob("wandb/offline-run-*"))) == 2


def test_a_sweep_run_again_resumes_only_the_cancelled_job(corpus: Path, tmp_path: Path) -> None:
    directory = tmp_path / "pretrain/tune"
    process = sweep(corpus, tmp_path, "seed=0,1,2", SLOW)
    until(lambda: (directory / "seed=1/metrics.csv").exists() and len(steps(directory / "seed=1")) >= 3)
    subprocess.run(["scancel", f"{job_of(directory)}_1"], check=True)
    _, output = process.communicate(timeout=500)
    assert process.returncode == 1, output
    status = {each["name"]: each["status"] for each in json.loads((directory / "summary.json").read_text())}
    assert status == {"seed=0": "complete", "seed=1": "failed", "seed=2": "complete"}
    before = (directory / "seed=0/checkpoints/last.ckpt").stat().st_mtime_ns
    first = job_of(directory)
    process = sweep(corpus, tmp_path, "seed=0,1,2")
    assert process.communicate(timeout=500)
    assert process.returncode == 0
    logs = [directory / f".jobs/slurm/{job_of(directory)}_{number}_0_log.out" for number in range(3)]
    assert first < job_of(directory)
    assert [("nothing to do" in log.read_text(), "resuming from" in log.read_text()) for log in logs] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert (directory / "seed=0/checkpoints/last.ckpt").stat().st_mtime_ns == before
    assert steps(directory / "seed=1") == [*range(1, 13)]


def test_a_search_ends_the_same_jobs_early_as_it_does_here(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")
    rate = "optimizer.learning_rate=tag(log,interval(1e-6,1e-1))"
    drawn = ("hydra/sweeper=optuna", "hydra/sweeper/sampler=random", "hydra.sweeper.trials=4", "validations=4", *EXACT)
    pruned = ("hydra/sweeper/pruner=median", "hydra.sweeper.pruner.startup=2", rate)
    done = by_hand([], corpus, tmp_path, "-m", *drawn, *pruned)
    assert done.returncode == 0, done.stderr
    process = sweep(corpus, tmp_path, *drawn, *pruned, *TWO)
    said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    here, there = (
        {each["name"]: each for each in json.loads((tmp_path / f"pretrain/{name}/summary.json").read_text())}
        for name in ("run", "tune")
    )
    assert {each["status"] for each in here.values()} == {"complete", "pruned"}
    for name, each in here.items():
        same = there[name]
        assert (same["status"], same["pruned_at"]) == (each["status"], each["pruned_at"])
        assert same["value"] == pytest.approx(each["value"], rel=1e-9)


def test_srun_by_hand_starts_the_ranks(corpus: Path, tmp_path: Path) -> None:
    done = by_hand(["srun", "--ntasks=2"], corpus, tmp_path, *TWO, *EXACT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 × cpu") == 1
    assert run(pretraining(corpus, tmp_path, "alone", *EXACT)) == 0
    one, other = (read_manifest(tmp_path / "pretrain" / name)["result"] for name in ("run", "alone"))
    assert one["validation/bits_per_byte"] == pytest.approx(other["validation/bits_per_byte"], rel=1e-9)
    again = by_hand(["srun", "--ntasks=2"], corpus, tmp_path, *TWO, *EXACT, "run.restart=true")
    assert again.returncode == 0, again.stderr
    assert "resuming from" not in again.stdout


@pytest.mark.parametrize(
    ("tasks", "trainer", "output"),
    [
        (1, TWO, "1 ranks were started, and trainer.devices × trainer.num_nodes is 2"),
        (2, (), "several processes were started"),
    ],
)
def test_another_number_of_tasks_than_ranks_is_refused(
    tasks: int, trainer: tuple[str, ...], output: str, corpus: Path, tmp_path: Path
) -> None:
    done = by_hand(["srun", "--kill-on-bad-exit", f"--ntasks={tasks}"], corpus, tmp_path, *trainer, SLOW)
    assert done.returncode != 0
    assert output in done.stderr
