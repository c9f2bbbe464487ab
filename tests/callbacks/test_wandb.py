"""The Wandb logger, checked by the files that wandb writes offline."""

import csv
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from lm.callbacks import MetricsFile, Wandb
from support.commands import forked, lm, loads
from support.killers import log_while_wandb_ends
from support.training_runs import make_corpus, of_seconds, pretraining, run

PROMPTS = ["alpha", "beta g"]


def records(file: Path) -> Iterator:
    """Read the records of a .wandb file: a LevelDB log after seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole = file.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<LHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(whole)
            whole = b""


def written(directory: Path) -> list[list]:
    """Return the records of each process of a run, in order, once wandb's own process has written all."""
    files = sorted((directory / "wandb").glob("offline-run-*/*.wandb"))  # names begin with the start time
    for _ in range(600):
        processes = [list(records(file)) for file in files]
        if all(each and each[-1].HasField("exit") for each in processes):
            return processes
        sleep(0.05)
    raise AssertionError("a .wandb file has no end record")


def runs(directory: Path) -> list:
    """Return the run record of each process."""
    return [next(record.run for record in each if record.HasField("run")) for each in written(directory)]


def history(process: list) -> dict[tuple[int, str], list]:
    """Return (step, metric) → all values that a process logged."""
    values = defaultdict(list)
    for record in process:
        row: dict = defaultdict(dict)
        for item in record.history.item:
            name, *part = item.nested_key or [item.key]
            value = json.loads(item.value_json)
            row[name] = row[name] | {part[0]: value} if part else value
        for name, value in row.items():
            if not name.startswith("_") and name != "step":
                values[row["step"], name].append(value)
    return dict(values)


def config_of(run) -> dict:
    values = {item.key: json.loads(item.value_json) for item in run.config.update}
    return {key: value for key, value in values.items() if key != "_wandb"}


@pytest.fixture
def lone(tmp_path, monkeypatch) -> Path:
    """Directory of a sweep's run that holds only its config."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    directory = tmp_path / "pretrain" / "tune" / "seed=0"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps({"run": {"job": "pretrain", "name": "tune/seed=0"}, "seed": 0}))
    return directory


def log(directory: Path, *steps: int, status: str = "success", **settings) -> None:
    """Log the steps as one process does, from start to end."""
    logger = Wandb(str(directory), project="lm", **settings)
    for step in steps:
        logger.log_metrics({"train/loss": 1 / step}, step=step)
    logger.finalize(status)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """Run with samples that was interrupted in its seventh step and resumed, and everything it printed."""
    root = tmp_path_factory.mktemp("resumed")
    corpus = make_corpus(root / "corpus")
    options = (
        "logger=wandb",
        "callbacks=default",
        "callbacks.metrics.every=1",
        "callbacks.samples.max_tokens=4",
        f"callbacks.samples.prompts={PROMPTS}",
    )
    signals = f"{{_target_: support.killers.SignalAfterBatch, batches: 27, number: {int(signal.SIGTERM)}}}"
    assert run(pretraining(corpus, root, "run", *options, f"+callbacks.killer={signals}")) != 0
    process = lm("pretrain", *of_seconds(corpus, root, "run", *options))
    assert process.returncode == 0, process.stderr
    return root / "pretrain" / "run", process.stdout + process.stderr


def test_every_process_of_a_run_has_the_same_id(resumed):
    directory, _ = resumed
    one, other = runs(directory)
    assert one.run_id == other.run_id == json.loads((directory / "wandb.json").read_text())["id"]
    assert (one.project, one.display_name, one.job_type, one.run_group) == ("lm", "run", "pretrain", "")


def test_the_last_process_logs_every_step_and_an_interrupted_one_the_same_up_to_its_end(resumed):
    directory, _ = resumed
    with open(directory / "metrics.csv", newline="") as file:
        expected = {
            (int(row["step"]), name): float(value)
            for row in csv.DictReader(file)
            for name, value in row.items()
            if value and name != "step" and "second" not in name
        }
    assert len({step for step, _ in expected}) == 12
    interrupted, last = (
        {key: value for key, value in history(each).items() if "second" not in key[1] and key[1] != "samples"}
        for each in written(directory)
    )
    assert last == {key: [value] for key, value in expected.items()}
    assert interrupted == {key: values for key, values in last.items() if key[0] <= 7}


def test_the_logged_config_is_the_run_config(resumed):
    directory, _ = resumed
    interrupted, last = map(config_of, runs(directory))
    assert interrupted["callbacks"].pop("killer")
    assert interrupted == last == json.loads((directory / "config.json").read_text())


def test_samples_are_logged_as_a_table_at_each_validation(resumed):
    directory, _ = resumed
    logged = {key: value for each in written(directory) for key, value in history(each).items()}
    tables = {step: table for (step, name), (table,) in logged.items() if name == "samples"}
    assert sorted(tables) == [4, 8, 12]
    for step, table in tables.items():
        [file] = (directory / "wandb").glob(f"offline-run-*/files/{table['path']}")
        content = json.loads(file.read_text())
        assert content["columns"] == ["step", "prompt", "completion"]
        assert [row[:2] for row in content["data"]] == [[step, prompt] for prompt in PROMPTS]


def test_metrics_that_a_killed_process_had_not_written_are_logged_by_the_next(lone):
    """wandb writes some time after the call; a kill before that leaves an empty file."""
    rows = [(1, {"train/loss": 0.1}), (2, {"train/loss": 0.2}), (2, {"validation/loss": 0.3}), (3, {"train/loss": 0.4})]
    before = MetricsFile(str(lone))
    for step, metrics in rows:
        before.log_metrics(metrics, step=step)
    log(lone, 3)
    [last] = map(history, written(lone))
    assert last == {
        (1, "train/loss"): [0.1],
        (2, "train/loss"): [0.2],
        (2, "validation/loss"): [0.3],
        (3, "train/loss"): [1 / 3],
    }


def test_wandb_prints_nothing(resumed):
    _, output = resumed
    assert "wandb" not in output.lower()


def test_without_the_logger_wandb_is_not_imported(tmp_path):
    arguments = of_seconds(make_corpus(tmp_path / "corpus"), tmp_path, "run", "budget.steps=1")
    assert not loads("wandb", "pretrain", *arguments)
    assert not (tmp_path / "pretrain/run/wandb").exists()


def test_a_sweep_is_a_group(lone):
    log(lone, 1, 2)
    [one] = runs(lone)
    assert (one.run_group, one.display_name) == ("tune", "tune/seed=0")


@pytest.mark.parametrize(
    ("artifacts", "files"), [("tokenizer", {"tokenizer.json"}), ("model", {"tokenizer.json", "checkpoints/last.ckpt"})]
)
def test_the_files_of_a_finished_run_are_uploaded_on_request(artifacts, files, lone):
    for file in ("tokenizer.json", "checkpoints/last.ckpt"):
        (lone / file).parent.mkdir(exist_ok=True)
        (lone / file).write_text("made")
    log(lone, 1, status="failed", artifacts=artifacts)
    log(lone, 2, artifacts=artifacts)
    failed, finished = ([each.artifact for each in process if each.HasField("artifact")] for process in written(lone))
    assert not failed
    [artifact] = finished
    assert (artifact.name, artifact.type) == ("tune-seed-0", artifacts)
    assert {entry.path for entry in artifact.manifest.contents} == files


def test_a_run_continues_when_the_process_of_wandb_ends(lone):
    if not Path("/proc/self/task").exists():
        pytest.skip("needs the children of a process in /proc")
    done = forked(log_while_wandb_ends, str(lone))
    message = f"wandb's process has ended; metrics continue in {lone}/metrics.csv\n"
    assert (done.returncode, done.stderr) == (0, message)


@pytest.mark.parametrize(("name", "value"), [("WANDB_MODE", "disabled"), ("WANDB_DISABLED", "true")])
def test_the_environment_can_disable_it(name, value, lone, monkeypatch):
    monkeypatch.setenv(name, value)
    log(lone, 1)
    assert not (lone / "wandb").exists()


@pytest.mark.parametrize(("mode", "offline"), [("online", True), ("offline", False)])
def test_metrics_are_sent_only_if_config_and_environment_agree(mode, offline, lone, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", mode)
    log(lone, 1, offline=offline)
    assert len(written(lone)) == 1


def test_online_without_a_key_is_refused_with_the_remedy(lone, monkeypatch):
    monkeypatch.setenv("HOME", str(lone))  # where a key may be stored
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(lone))
    with pytest.raises(ValueError, match=r"logger\.wandb\.offline=false: .*wandb login.*or stay offline"):
        log(lone, 1, offline=False)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_offline_no_process_connects_to_another_machine(tmp_path):
    """wandb's own process is reached through a Unix socket; it also binds one on ::1 that nobody connects to."""
    log = tmp_path / "calls"
    arguments = of_seconds(make_corpus(tmp_path / "corpus"), tmp_path, "run", "budget.steps=2", "logger=wandb")
    traced = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(log)]
    if subprocess.run([*traced, "true"]).returncode:
        pytest.skip("strace is not allowed here")
    assert subprocess.run([*traced, sys.executable, "-m", "lm", "pretrain", *arguments], timeout=240).returncode == 0
    called = [line for line in log.read_text().splitlines() if "sa_family=" in line]
    assert any("wandb" in line for line in called), "the trace must contain wandb's own socket"
    assert all("sa_family=AF_UNIX" in line for line in called)
