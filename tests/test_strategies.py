"""The strategy does not change what a run computes, and may change at any step: one process, DDP, FSDP2, TP."""

import csv
import shutil
import signal
import subprocess
import sys
from itertools import permutations

import pytest
import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from lm.checkpoint.files import AtomicCheckpointIO, checkpoint_path
from lm.interchange import load_model
from support.ranks_here import as_ranks, free_port
from support.row_notes import noted
from support.training_runs import call, make_corpus, of_seconds, pretraining, run

STEPS, HALF = 20, 10  # steps of 8 rows
# (ranks, overrides): micro-batches of 2 rows in one process, as many as fit one step elsewhere
CPU, DISTRIBUTED = "trainer.accelerator=cpu", "trainer.strategy.distributed_checkpoints=true"
STRATEGIES = {
    "one process": (1, ("trainer=cpu", "budget.rows_per_device=2")),
    "DDP": (2, ("trainer=ddp", CPU, "trainer.devices=2", "budget.rows_per_device=4")),
    "FSDP2": (2, ("trainer=fsdp", CPU, "trainer.devices=2", "budget.rows_per_device=4")),
    "TP": (2, ("trainer=fsdp_tp", CPU, "trainer.devices=2", "budget.rows_per_device=8")),
    "TP, distributed": (2, ("trainer=fsdp_tp", CPU, "trainer.devices=2", "budget.rows_per_device=8", DISTRIBUTED)),
    "FSDP2 and TP": (4, ("trainer=fsdp_tp", CPU, "trainer.devices=4", "budget.rows_per_device=1")),
}
# Every kind of checkpoint is resumed once, and every strategy resumes one; the other pairs are slow.
CHOSEN = [
    ("one process", "FSDP2"),
    ("FSDP2", "TP, distributed"),
    ("TP, distributed", "FSDP2"),
    ("TP, distributed", "DDP"),
    ("DDP", "one process"),
]
PAIRS = [
    pytest.param(pair, marks=() if pair in CHOSEN else pytest.mark.slow, id=" → ".join(pair))
    for pair in permutations(STRATEGIES, 2)
]


def train(corpus, root, strategy: str, *overrides: str) -> list[int]:
    """Train under a strategy, with ranks started here; return their exit codes."""
    ranks, chosen = STRATEGIES[strategy]
    notes = f"+callbacks.notes={{_target_: support.row_notes.NoteRows, directory: {root}}}"
    options = (
        "model.dropout=0.0",
        f"budget.steps={STEPS}",
        "optimizer.learning_rate=1e-3",
        "optimizer.adamw_rate=1e-3",
        "callbacks.checkpoints.every=100",
        "validations=2",
        notes,
        *chosen,
        *overrides,
    )
    config = pretraining(corpus, root, "run", *options)
    return [run(config)] if ranks == 1 else as_ranks(ranks, call, config)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def reference(corpus, tmp_path_factory):
    """The run in one process, never interrupted."""
    root = tmp_path_factory.mktemp("reference")
    assert train(corpus, root, "one process") == [0]
    return root


@pytest.fixture(scope="module")
def halves(corpus, tmp_path_factory):
    """Roots of runs that were interrupted at half of the steps, by strategy, each made on first use."""
    made = {}

    def half(strategy: str):
        if strategy not in made:
            root = tmp_path_factory.mktemp("half")
            batches = {"one process": 4 * HALF, "FSDP2 and TP": 4 * HALF}.get(strategy, HALF)
            arguments = f"batches: {batches}, number: {int(signal.SIGTERM)}"
            codes = train(
                corpus, root, strategy, f"+callbacks.killer={{_target_: support.killers.SignalAfterBatch, {arguments}}}"
            )
            assert 0 not in codes
            made[strategy] = root
        return made[strategy]

    return half


@pytest.fixture(scope="module")
def resumed(corpus, halves, tmp_path_factory):
    """Roots of runs that one strategy started and another finished."""
    made = {}

    def resume(pair: tuple[str, str]):
        if pair not in made:
            root = tmp_path_factory.mktemp("resumed") / "root"
            shutil.copytree(halves(pair[0]), root)
            assert set(train(corpus, root, pair[1])) == {0}
            made[pair] = root
        return made[pair]

    return resume


def logged(root, column: str, name: str = "run") -> dict[int, float]:
    with open(root / "pretrain" / name / "metrics.csv", newline="") as file:
        return {int(row["step"]): float(row[column]) for row in csv.DictReader(file) if row.get(column)}


def checkpoint(root) -> dict:
    file = checkpoint_path(root / "pretrain" / "run", "last")
    return AtomicCheckpointIO().load_checkpoint(file, weights_only=True)


@pytest.mark.parametrize("pair", PAIRS)
def test_every_step_of_a_run_under_two_strategies_equals_that_of_one_process(pair, resumed, reference):
    root = resumed(pair)
    for column in ("train/loss", "train/gradient_norm", "validation/loss", "validation/bits_per_byte"):
        found, expected = logged(root, column), logged(reference, column)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6), column
    assert len(logged(root, "train/loss")) == STEPS


@pytest.mark.parametrize("pair", PAIRS)
def test_every_step_reads_the_same_rows_under_any_strategy(pair, resumed, reference):
    assert noted(resumed(pair)) == noted(reference)
    assert {len(rows) for rows in noted(reference).values()} == {8}


@pytest.mark.parametrize("pair", PAIRS)
def test_final_weights_and_moments_equal_those_of_one_process(pair, resumed, reference):
    found, expected = checkpoint(resumed(pair)), checkpoint(reference)
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    for name, value in expected["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][name], value, rtol=0, atol=1e-6)
    (here,), (there,) = found["optimizer_states"], expected["optimizer_states"]
    assert here["param_groups"] == there["param_groups"]
    assert here["state"].keys() == there["state"].keys()
    for number, state in there["state"].items():
        for name, value in state.items():
            torch.testing.assert_close(here["state"][number][name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("strategy", ["FSDP2", "TP, distributed"])
def test_other_jobs_load_the_checkpoint_of_a_sharded_run(strategy, halves):
    root = halves(strategy)
    saved = checkpoint(root)
    assert saved["global_step"] == HALF
    assert {type(value) for value in saved["state_dict"].values()} == {torch.Tensor}
    assert (checkpoint_path(root / "pretrain" / "run", "last")).is_dir() == (strategy == "TP, distributed")
    model = load_model(str(root / "pretrain" / "run"), which="last")
    assert all(torch.equal(value, saved["state_dict"][f"model.{name}"]) for name, value in model.state_dict().items())


FEW = ("model.dropout=0.0", "budget.steps=4", "validations=2")


def test_samples_of_a_sharded_model_equal_those_of_one_process(corpus, tmp_path):
    samples = "+callbacks.samples={_target_: lm.callbacks.Samples, prompts: [alpha, beta], max_tokens: 8}"
    assert run(pretraining(corpus, tmp_path, "one", *FEW, samples)) == 0
    sharded = ("trainer=fsdp_tp", CPU, "compute.activation_checkpointing=true")
    assert run(pretraining(corpus, tmp_path, "two", *FEW, samples, *sharded)) == 0
    one, two = ((tmp_path / "pretrain" / name / "samples.txt").read_text() for name in ("one", "two"))
    assert one == two
    assert one.count("step 4") == 2


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port")


def by_the_agent_of_torchrun(config: dict) -> None:
    """What `torchrun --nproc-per-node 2` starts, from processes that have loaded torch already."""
    place = {"rdzv_backend": "c10d", "rdzv_endpoint": f"127.0.0.1:{free_port()}", "run_id": "run"}
    sizes = {"min_nodes": 1, "max_nodes": 1, "nproc_per_node": 2, "max_restarts": 0}
    agent = LaunchConfig(**sizes, **place, start_method="forkserver", monitor_interval=0.1)
    elastic_launch(agent, call)(config, {})


def test_ranks_started_by_the_agent_of_torchrun_make_the_same_run(corpus, tmp_path):
    config = pretraining(corpus, tmp_path, "many", *FEW, "trainer=fsdp", CPU, "trainer.devices=2")
    by_the_agent_of_torchrun(config)
    assert run(pretraining(corpus, tmp_path, "one", *FEW)) == 0
    one, two = (logged(tmp_path, "train/loss", name) for name in ("one", "many"))
    assert two == pytest.approx(one, rel=0, abs=1e-6)


def as_slurm_starts(config: list[str], port: str) -> list[list]:
    """Return two tasks with the environment that srun sets."""
    return [
        ["env", *(f"SLURM_{key}={value}" for key, value in {
            "NTASKS": 2, "NTASKS_PER_NODE": 2, "PROCID": task, "LOCALID": task, "NODEID": 0, "NNODES": 1,
            "JOB_ID": 7, "STEP_ID": 0, "JOB_NAME": "run", "NODELIST": "127.0.0.1",
        }.items()), f"MASTER_PORT={port}", *config]
        for task in range(2)
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["ddp", "fsdp"])
@pytest.mark.parametrize("launcher", ["torchrun", "srun"])
def test_ranks_started_by_torchrun_or_slurm_make_the_same_run(launcher, trainer, corpus, tmp_path):
    options = of_seconds(corpus, tmp_path, "many", *FEW, f"trainer={trainer}", CPU, "trainer.devices=2")
    lm = ["-m", "lm", "pretrain", *options]
    port = str(free_port())
    commands = [[*TORCHRUN, port, *lm]] if launcher == "torchrun" else as_slurm_starts([sys.executable, *lm], port)
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    for each in started:
        _, errors = each.communicate(timeout=240)
        assert each.returncode == 0, errors
    assert run(pretraining(corpus, tmp_path, "one", *FEW)) == 0
    one, two = (logged(tmp_path, "train/loss", name) for name in ("one", "many"))
    assert two == pytest.approx(one, rel=0, abs=1e-6)


@pytest.mark.slow
def test_a_wrong_number_of_processes_is_refused_with_what_to_set(corpus, tmp_path):
    options = of_seconds(corpus, tmp_path, "many", *FEW, "trainer=fsdp", CPU, "trainer.devices=4")
    command = [*TORCHRUN, str(free_port()), "-m", "lm", "pretrain", *options]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert ended.returncode != 0
    assert "error: 2 ranks were started, and trainer.devices × trainer.num_nodes is 4: start as many" in ended.stderr
