"""A job with several ranks runs in a process of its own, and ends as one in this process would."""

import os
import signal
from pathlib import Path
from threading import Timer

import pytest

import lm
from lm.process.signals import Interrupted
from lm.python import apart, jobs
from lm.python.apart import ranks_here, run_apart
from support.training_runs import make_corpus

STARTED = apart._started
CPU = {"accelerator": "cpu", "devices": 1}


@pytest.mark.parametrize(
    ("node", "ranks"),
    [
        ({"_target_": "lm.jobs.doctor.doctor"}, 1),
        ({"trainer": CPU}, 1),
        ({"trainer": {**CPU, "devices": 2}}, 2),
        ({"trainer": {**CPU, "devices": [0, 1, 2]}}, 3),
        ({"stages": {"pretrain": {"trainer": CPU}, "instruct": {"trainer": {**CPU, "devices": 4}}}}, 4),
    ],
)
def test_the_ranks_of_a_job_are_those_of_its_trainers(node: dict, ranks: int):
    assert ranks_here(node) == ranks


def test_a_job_of_several_ranks_runs_apart_and_a_dry_run_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    apart_ones: list[list[str]] = []
    monkeypatch.setattr(jobs, "run_apart", lambda node, words: apart_ones.append(words))
    monkeypatch.setattr(jobs, "call_job", lambda node: "estimated")
    words = ["data.path=corpus", "model=nano", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    lm.run("pretrain", *words)
    assert apart_ones == [["lm", "pretrain", *words]]
    assert lm.run("pretrain", *words, "dry_run=true").value == "estimated"
    assert len(apart_ones) == 1


def script(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Run this code in place of a job; OUTCOME in it is the file for what the job returns."""

    def start(command):
        outcome = str(Path(command[4]).with_suffix(".outcome.json"))
        return STARTED([command[0], "-c", code.replace("OUTCOME", repr(outcome))])

    monkeypatch.setattr(apart, "_started", start)


WRITE = "import json; json.dump({'name': '', 'overrides': [], 'directory': '', %s}, open(OUTCOME, 'w'))"


def test_what_it_prints_and_returns_comes_back(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    script(monkeypatch, "print('hello');" + WRITE % "'value': 2.5")
    assert run_apart({}, ["lm", "x"]) == 2.5
    assert capfd.readouterr().out == "hello\n"


def test_a_refusal_there_is_one_here(monkeypatch: pytest.MonkeyPatch):
    script(monkeypatch, WRITE % "'error': 'set a to b', 'code': 2" + "; raise SystemExit(2)")
    with pytest.raises(lm.RefusedError, match="set a to b"):
        run_apart({}, ["lm", "x"])


def test_a_bug_there_is_an_error_with_the_end_of_what_it_printed(monkeypatch: pytest.MonkeyPatch):
    script(monkeypatch, "import sys; print('Traceback: a bug', file=sys.stderr); raise SystemExit(1)")
    with pytest.raises(RuntimeError, match="ended with code 1\nTraceback: a bug"):
        run_apart({}, ["lm", "x"])
    script(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(RuntimeError, match="ended with code 137"):
        run_apart({}, ["lm", "x"])


def test_an_interruption_is_passed_on_and_what_it_saved_is_told(monkeypatch: pytest.MonkeyPatch):
    script(
        monkeypatch,
        """if True:
        import signal, sys, time
        def leave(*_):
            print("saved at step 3 of 20; run the same command again to resume", flush=True)
            sys.exit(130)
        signal.signal(signal.SIGINT, leave)
        print("here", flush=True)
        time.sleep(30)
    """,
    )
    timer = Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(Interrupted, match="saved at step 3 of 20") as interruption:
        run_apart({}, ["lm", "x"])
    assert interruption.value.signal_number == signal.SIGINT


@pytest.mark.slow
def test_two_ranks_train_and_leave_this_process_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    make_corpus(Path("corpus"))
    words = ["data.path=corpus", "model=nano", "model.context=32", "budget=steps", "budget.steps=3"]
    words += ["budget.batch_tokens=128", "validations=1", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    before = dict(os.environ)
    run = lm.run("pretrain", *words, quiet=True)
    assert run.result["tokens"] == 3 * 128
    assert run.value == pytest.approx(run.result["validation/bits_per_byte"])
    assert run.manifest["executions"][0]["command"].startswith("lm pretrain data.path=corpus")
    assert dict(os.environ) == before
    with pytest.raises(lm.RefusedError, match="to another name to keep both"):
        lm.run("pretrain", *words, "model.dim=64", quiet=True)
