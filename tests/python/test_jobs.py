"""A job from Python is the job of the command."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lm
from lm.directory.manifest import read_manifest
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
    with pytest.raises(ValueError, match="model=tinny: no such option; did you mean tiny") as error:
        lm.run("pretrain", "model=tinny", "seeed=1")
    assert len(str(error.value).splitlines()) == 2
    assert not (here / "outputs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pretrian"], "there is no job pretrian; did you mean pretrain"),
        (["pretrain", "seed=1,2"], "has several values"),
        (["pretrain", "data.path=nothing"], "no corpus at nothing"),
    ],
)
def test_refusals_are_those_of_the_command(here: Path, words: list[str], message: str):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        lm.run(*words)


def test_the_process_is_afterwards_as_before(here: Path):
    threads, before = torch.get_num_threads(), dict(os.environ)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    train("compute.threads=1", quiet=True)
    assert (torch.get_num_threads(), dict(os.environ), Path.cwd()) == (threads, before, here)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == handlers


def test_an_interruption_saves_and_returns_to_the_caller(here: Path, monkeypatch: pytest.MonkeyPatch):
    from lm.callbacks.metrics import Metrics

    def stop_once(metrics: Metrics, trainer, *_) -> None:
        if trainer.global_step == 3:  # a second one would not wait for the checkpoint
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Metrics, "on_train_batch_end", stop_once)
    words = ("callbacks=default", "budget.steps=20")
    with pytest.raises(KeyboardInterrupt, match="resumes it"):
        train(*words, quiet=True)
    assert read_manifest("outputs/pretrain/default")["state"] == "started"
    assert Path("outputs/pretrain/default/checkpoints/last.ckpt").exists()
    monkeypatch.undo()
    os.chdir(here)
    assert train(*words, quiet=True).result["tokens"] == 20 * 128


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
