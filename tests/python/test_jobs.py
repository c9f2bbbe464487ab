"""A job from Python is the job of the command."""

import logging
import os
import random
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch

import lm
from lm.callbacks.interruption import CAUGHT
from lm.callbacks.metrics import Metrics
from lm.cli.main import main
from lm.directory.manifest import read_manifest
from lm.process.failure import MISTAKE
from support.training_runs import make_corpus

TINY = ("model=nano", "model.context=32", "budget=steps", "budget.batch_tokens=128", "validations=1")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path / "corpus")
    return tmp_path


def train(*words: str, **options) -> lm.FinishedRun:
    return lm.run("pretrain", "data.path=corpus", *TINY, "budget.steps=3", *words, **options)


def test_cells_of_a_notebook_in_their_order(here: Path, capsys):
    cells = [
        "import lm",
        f"run = lm.run('pretrain', 'data.path=corpus', *{TINY!r}, 'budget.steps=3', quiet=True)",
        "model = lm.load(run)",
        "text = model.generate('alpha', max_tokens=5)",
        f"again = lm.run('pretrain', 'data.path=corpus', *{TINY!r}, 'budget.steps=3', quiet=True)",
        "listed = lm.runs()",
    ]
    names: dict = {}
    for cell in cells:
        exec(cell, names)
    run = names["run"]
    assert run.directory == Path("outputs/pretrain/default")
    assert run.result["tokens"] == 3 * 128
    assert run.metrics["train/loss"][0][-1] == 3
    assert names["again"].manifest == run.manifest  # nothing was to do
    assert run.manifest["executions"][0]["command"].startswith("lm pretrain data.path=corpus model=nano")
    assert [(each.place, each.state) for each in names["listed"]] == [("pretrain/default", "complete")]
    assert capsys.readouterr().out == ""


def test_all_faults_are_one_error_with_a_line_each(here: Path):
    with pytest.raises(lm.RefusedError, match="model=tinny: no such option; did you mean tiny") as error:
        lm.run("pretrain", "model=tinny", "seeed=1")
    assert len(str(error.value).splitlines()) == 2
    assert not (here / "outputs").exists()


def exit_code(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as leaving:  # of a job that has begun
        return leaving.code


REFUSED = [
    "pretrian",
    "sft model.path=here",
    "pretrain data.path=nothing",
    "pretrain data.path=corpus model.dim=x seeed=1",
    "generate model.path=nowhere",
    "evaluate compare=[a,b]",
    "pretrain --learning-rate 1e-3",
]


@pytest.mark.parametrize("words", REFUSED)
def test_refusals_are_those_of_the_command(here: Path, capsys: pytest.CaptureFixture[str], words: str):
    with pytest.raises(lm.RefusedError) as error:
        lm.run(*words.split(), quiet=True)
    assert exit_code(words.split()) == MISTAKE
    said = capsys.readouterr().err.replace("nothing was run\n", "")
    assert "".join(f"error: {line}\n" for line in str(error.value).splitlines()) == said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pretrain seed=1,2", "seed=1,2: has several values: call lm.run for each; or write"),
        ("pretrain -m seed=1,2", "-m: lm.run runs one job: call it for each value"),
        ("pretrain --cfg job", "--cfg: it shows a config: type it in a terminal"),
        ("pretrain --config-dir=mine", "--config-dir=mine: write config_dir="),
    ],
)
def test_what_belongs_to_the_command_is_refused_with_what_does_it_here(here: Path, words: str, message: str):
    with pytest.raises(lm.RefusedError, match=message):
        lm.run(*words.split())


def test_a_directory_of_configs_that_is_not_there_is_refused(here: Path):
    with pytest.raises(lm.RefusedError, match="config_dir=mine: no such directory"):
        lm.run("pretrain", config_dir="mine")


def test_a_bug_keeps_its_type(here: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr("lm.python.jobs.call_job", fail)
    with pytest.raises(KeyError, match="a bug"):
        train()


def process() -> dict[str, object]:
    """What a caller may have set for this process."""
    return {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "handlers": [signal.getsignal(number) for number in CAUGHT],
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "levels": [logging.getLogger(name).level for name in (None, "lightning.pytorch", "lightning.fabric", "mine")],
        "filters": [*warnings.filters],
        "warnings": warnings.showwarning,
        "threads": torch.get_num_threads(),
        "deterministic": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark),
        "random": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "output": (sys.stdout, sys.stderr),
    }


def test_the_process_is_afterwards_as_before(here: Path):
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for name in ("lightning.pytorch", "lightning.fabric", "mine"):
            logging.getLogger(name).setLevel(logging.INFO)
        before = process()
        train("compute.threads=1", "+trainer.deterministic=true", "+trainer.benchmark=true", quiet=True)
        after = process()
    assert [name for name in before if before[name] != after[name]] == []


class Stop:
    """Signals of the user after a step; the state of the run decides what they do."""

    def __init__(self, step: int, *numbers: int):
        self.step, self.numbers = step, [*numbers]

    def __call__(self, metrics, trainer, *_) -> None:
        if trainer.global_step == self.step:
            while self.numbers:
                signal.raise_signal(self.numbers.pop(0))


@pytest.mark.parametrize(
    ("hook", "stop", "message"),
    [
        ("on_train_batch_end", Stop(3, signal.SIGINT), "saved at step 3 of 20: lm pretrain data.path=corpus"),
        ("on_train_batch_end", Stop(3, signal.SIGINT, signal.SIGINT), "interrupted twice, so the last step was not"),
        ("on_train_start", Stop(0, signal.SIGINT), "interrupted before the first step"),
    ],
    ids=["once", "twice", "before the first step"],
)
def test_an_interruption_returns_to_the_caller_and_the_same_call_resumes(
    here: Path, monkeypatch: pytest.MonkeyPatch, hook: str, stop: Stop, message: str
):
    before, words = signal.getsignal(signal.SIGINT), ("callbacks=default", "budget.steps=20")
    monkeypatch.setattr(Metrics, hook, lambda *given: stop(*given))
    with pytest.raises(KeyboardInterrupt, match=message):
        train(*words, quiet=True)
    assert read_manifest("outputs/pretrain/default")["state"] == "started"
    assert Path("outputs/pretrain/default/checkpoints/last.ckpt").exists() == ("saved" in message)
    assert signal.getsignal(signal.SIGINT) == before
    monkeypatch.undo()
    os.chdir(here)
    assert train(*words, quiet=True).result["tokens"] == 20 * 128


def test_another_signal_reaches_the_handler_of_the_caller_after_the_run_has_saved(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    stop = Stop(3, signal.SIGTERM)
    monkeypatch.setattr(Metrics, "on_train_batch_end", lambda *given: stop(*given))
    try:
        with pytest.raises(KeyboardInterrupt, match="saved at step 3 of 20"):
            train("callbacks=default", "budget.steps=20", quiet=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]


def test_a_thread_runs_a_job_and_another_job_waits_for_it(here: Path, monkeypatch: pytest.MonkeyPatch):
    found: list = []

    def ask() -> None:
        with pytest.raises(lm.RefusedError) as refusal:
            lm.run("doctor")
        found.append(refusal)

    def refused(*_) -> None:
        asked = Thread(target=ask)
        asked.start()
        asked.join()
        found.append(lm.runs()[0].state)

    monkeypatch.setattr(Metrics, "on_train_start", refused)
    thread = Thread(target=lambda: found.append(train(quiet=True)))
    thread.start()
    thread.join()
    refusal, state, run = found
    assert "another thread of this process runs a job" in str(refusal.value)
    assert state == "running"
    assert run.result["tokens"] == 3 * 128


def test_a_job_without_a_run_gives_what_it_returns(here: Path):
    found = lm.run("doctor", "measure=false", quiet=True)
    assert found.directory is None
    assert "versions" in found.result


def test_importing_the_library_loads_no_torch():
    code = "import sys, lm; print({'torch', 'hydra', 'lightning'} & {*sys.modules}, 'load' in dir(lm))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set() True\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        lm.lod  # noqa: B018
