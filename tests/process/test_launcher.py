"""Ranks that another launcher started are as many as the trainer has, and none is ahead of the first."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from lightning import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy

from lm.directory.manifest import read_manifest
from lm.process.launcher import check_ranks, choose_on_first, export_slurm_tasks_per_node, launches_ranks
from support.training_runs import make_corpus, of_seconds, pretraining, run

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
EXACT = ("model.dropout=0.0", "compute.precision=64-true")


def trainer(devices: int) -> Trainer:
    strategy = DDPStrategy(start_method="popen") if devices > 1 else "auto"
    return Trainer(accelerator="cpu", devices=devices, strategy=strategy, logger=False)


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch):
    """Make this process one that torchrun has started."""

    def started(rank: int, ranks: int) -> None:
        output = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": ranks, "TORCHELASTIC_RUN_ID": "x"}
        for name, value in output.items():
            monkeypatch.setenv(name, str(value))

    return started


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch):
    """Make this process one that srun has started."""

    def started(rank: int, ranks: int) -> None:
        output = {"NTASKS": ranks, "PROCID": rank, "LOCALID": rank, "NODEID": 0, "JOB_ID": 7, "JOB_NAME": "lm"}
        for name, value in {**output, "STEP_ID": 0, "STEP_TASKS_PER_NODE": ranks}.items():
            monkeypatch.setenv(f"SLURM_{name}", str(value))
        monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "")  # so that it is removed afterwards
        monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
        export_slurm_tasks_per_node()

    return started


@pytest.fixture(params=["torchrun", "slurm"])
def started(request: pytest.FixtureRequest):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("ranks", [1, 3])
def test_another_number_of_ranks_than_the_plan_is_for_is_refused(ranks, started):
    """Lightning would train on with fewer, each with a share of the gradient as if all were there."""
    started(0, ranks)
    with pytest.raises(ValueError, match=rf"{ranks} ranks were started, and trainer\.devices × .* is 2: start as many"):
        check_ranks(trainer(2), planned=2)


def test_the_right_number_is_not(started):
    started(1, 2)
    check_ranks(trainer(2), planned=2)


def test_a_second_process_of_a_trainer_of_one_device_is_refused(started):
    """Both would write the same files."""
    started(1, 2)
    with pytest.raises(ValueError, match=r"several processes were started.*set trainer=ddp and trainer\.devices"):
        check_ranks(trainer(1), planned=1)


def test_ranks_that_nobody_has_started_are_not_waited_for(slurm, monkeypatch):
    """A script of sbatch is one process, however many tasks the job has."""
    slurm(0, 2)
    monkeypatch.delenv("SLURM_STEP_ID")
    check_ranks(trainer(1), planned=1)
    with pytest.raises(ValueError, match=r"start it by srun, as in `srun --ntasks=2 lm …`"):
        check_ranks(trainer(2), planned=2)


def test_ranks_spread_unevenly_over_nodes_are_refused(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "2,1")
    with pytest.raises(ValueError, match=r"unevenly \(2,1 on a node\): give srun --ntasks-per-node"):
        export_slurm_tasks_per_node()


def test_ranks_that_lightning_launches_are_not_there_yet():
    check_ranks(trainer(2), planned=2)
    check_ranks(trainer(1), planned=1)
    assert (launches_ranks(trainer(2)), launches_ranks(trainer(1))) == (True, False)


@pytest.fixture
def channel(monkeypatch):
    """What the first rank sends: the barrier of a process group without the group."""
    sent = []

    def broadcast(strategy, value, source=0):
        if not int(os.environ["RANK"]):
            sent.append(value)
        return sent[0]

    monkeypatch.setattr(DDPStrategy, "setup_environment", lambda strategy: None)
    monkeypatch.setattr(DDPStrategy, "broadcast", broadcast)
    return sent


def test_what_the_first_rank_chooses_all_have_and_only_it_is_asked(torchrun, channel):
    asked = iter([7])
    for rank in (0, 1):
        torchrun(rank, 2)
        assert choose_on_first(trainer(2), LightningModule(), partial(next, asked)) == 7
        assert not launches_ranks(trainer(2))


def test_the_first_rank_chooses_before_ranks_are_joined(torchrun, channel, monkeypatch):
    """An optimizer that divides its work among joined ranks would wait for those that time nothing."""
    order = []
    monkeypatch.setattr(DDPStrategy, "setup_environment", lambda strategy: order.append("join"))
    torchrun(0, 2)
    choose_on_first(trainer(2), LightningModule(), lambda: order.append("choose"))
    assert order == ["choose", "join"]


def test_where_the_first_rank_cannot_choose_all_end_with_its_error(torchrun, channel):
    for rank in (0, 1):
        torchrun(rank, 2)
        with pytest.raises(ValueError, match=r"ValueError on the first rank: .*abc"):
            choose_on_first(trainer(2), LightningModule(), partial(int, "abc"))


def test_another_node_that_nobody_tells_the_choice_is_refused(monkeypatch):
    assert choose_on_first(trainer(2), LightningModule(), lambda: 7) == 7
    monkeypatch.setenv("NODE_RANK", "1")
    with pytest.raises(
        ValueError, match=r"start the nodes by srun or torchrun, or set budget=tokens and budget\.tokens"
    ):
        choose_on_first(trainer(2), LightningModule(), lambda: 7)


@pytest.mark.slow
def test_ranks_of_torchrun_take_the_minutes_of_the_first(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "lm"]
    shared = [
        each for each in of_seconds(make_corpus(tmp_path / "corpus"), tmp_path, "run", *TWO) if "steps" not in each
    ]
    for more, timed in (((), 1), ((), 0), (("run.restart=true",), 1)):
        command = [*launcher, "pretrain", *shared, "budget=minutes", "budget.minutes=0.1", *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("elsewhere the same run is budget=tokens") == timed


@pytest.mark.slow
def test_torchrun_by_hand_starts_the_ranks_and_they_restart_together(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "lm"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    assert run(pretraining(corpus, tmp_path, "alone", *EXACT)) == 0
    for more in ((), ("run.restart=true",)):
        command = [*launcher, "pretrain", *of_seconds(corpus, tmp_path, "run", *TWO, *EXACT, *more)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert (done.stdout.count("2 × cpu"), done.stdout.count("resuming from")) == (1, 0)
        one, other = (read_manifest(tmp_path / "pretrain" / name)["result"] for name in ("run", "alone"))
        assert one["validation/bits_per_byte"] == pytest.approx(other["validation/bits_per_byte"], rel=1e-9)
