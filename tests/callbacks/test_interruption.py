"""Signals are recorded, saved at the next step and reported by the exit code; a second Ctrl-C does not wait."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning import Trainer

from lm.callbacks import Interruption
from lm.callbacks.interruption import CAUGHT
from lm.cli.call import call_job
from lm.directory import Interrupted
from lm.directory.manifest import read_manifest
from lm.process.signals import on_arrival
from support.commands import Begun
from support.training_runs import make_corpus, of_seconds, pretraining, run

TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
SLOW = "+callbacks.slow={_target_: support.killers.Slow, seconds: 0.1}"


def after_a_step() -> Interruption:
    """Before the first step a signal ends the process, which is that of the tests."""
    interruption = Interruption()
    interruption.trained = True
    return interruption


@pytest.fixture
def training():
    before = {number: signal.getsignal(number) for number in CAUGHT}
    interruption = after_a_step()
    with interruption.caught():
        interruption.setup(SimpleNamespace(_signal_connector=SimpleNamespace()), None, "fit")
        yield interruption
    assert {number: signal.getsignal(number) for number in CAUGHT} == before


@pytest.mark.parametrize("number", CAUGHT)
def test_a_signal_is_recorded_and_does_not_end_the_process(number, training):
    signal.raise_signal(number)
    assert training.received == number


def test_a_signal_before_setup_is_blocked_and_recorded_by_a_run_that_ends_there():
    """Such as a refused run; the next run of a sweep finds no signal blocked."""

    def blocked() -> set:
        return {*CAUGHT} & signal.pthread_sigmask(signal.SIG_BLOCK, ())

    assert not blocked()
    interruption = after_a_step()
    with interruption.caught():
        assert blocked() == {*CAUGHT}
        signal.raise_signal(signal.SIGTERM)
        assert not interruption.received
    assert not blocked()
    assert interruption.received == signal.SIGTERM


def test_lightnings_handlers_are_not_installed_even_on_slurm(monkeypatch):
    for name, value in {"NTASKS": 1, "PROCID": 0, "LOCALID": 0, "NODEID": 0, "JOB_ID": 7, "JOB_NAME": "lm"}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setattr("lm.process.signals.APART", 60.0)
    interruption = after_a_step()
    trainer = Trainer(accelerator="cpu", logger=False, callbacks=[interruption])
    with interruption.caught():
        interruption.setup(trainer, None, "fit")
        trainer._signal_connector.register_signal_handlers()
        for number in CAUGHT:  # almost at once, as from several processes
            signal.raise_signal(number)
            assert interruption.received == number
            assert signal.getsignal(number) == interruption._record


def test_a_signal_in_the_last_validation_is_reported_once_the_run_is_complete(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    sender = f"+callbacks.send={{_target_: support.killers.SignalInValidation, step: 3, number: {int(signal.SIGTERM)}}}"
    with pytest.raises(Interrupted, match="is complete") as raised:
        call_job(pretraining(corpus, tmp_path, "run", "budget.steps=3", "validations=1", sender))
    assert raised.value.signal_number == signal.SIGTERM
    assert read_manifest(tmp_path / "pretrain" / "run")["state"] == "complete"


@pytest.mark.parametrize("training", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_second_interrupt_ends_a_process_whose_main_thread_waits_in_c(training):
    """As in a collective: before training, where signals are blocked, and within."""
    script = f"""if True:
        import ctypes, signal
        from types import SimpleNamespace
        from lm.callbacks import Interruption
        interruption = Interruption()
        interruption.trained = True
        with interruption.caught():
            if {training}:
                interruption.setup(SimpleNamespace(_signal_connector=SimpleNamespace()), None, "fit")
            print("here", flush=True)
            lock = ctypes.create_string_buffer(64)
            for _ in range(2):  # the second is never granted, whatever signal arrives
                ctypes.CDLL(None).pthread_mutex_lock(lock)
    """
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 128 + signal.SIGINT


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


class Started:
    """`lm pretrain` in its own process group, as in a terminal."""

    def __init__(self, corpus: Path, root: Path, *arguments: str):
        self.directory = root / "pretrain/run"
        paths = str(Path(__file__).parents[1])  # for ranks, which start from nothing
        self.process = Begun("pretrain", *of_seconds(corpus, root, "run", *arguments), PYTHONPATH=paths)

    def until(self, holds: Callable[[], object]) -> None:
        for _ in range(1200):
            if holds():
                return
            assert self.process.poll() is None, self.process.ended()
            time.sleep(0.05)
        raise AssertionError("the condition did not hold within a minute")

    def until_step(self, step: int) -> None:
        file = self.directory / "metrics.csv"
        self.until(lambda: file.exists() and len(file.read_text().splitlines()) > step)

    def ended(self) -> tuple[int, str]:
        """Return the exit code and the error stream, once every process that could write has ended."""
        ended = self.process.ended()
        return ended.returncode, ended.stderr


def saved(directory: Path) -> int:
    return torch.load(directory / "checkpoints/last.ckpt", weights_only=True)["global_step"]


def test_a_second_interrupt_while_saving_exits_at_once_and_leaves_no_torn_file(corpus, tmp_path):
    note = tmp_path / "note"
    slow = f"+callbacks.slow={{_target_: support.killers.SlowWhileSaving, seconds: 600, note: {note}}}"
    assert (
        run(
            pretraining(
                corpus, tmp_path, "run", "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 21}"
            )
        )
        < 0
    )
    before = saved(tmp_path / "pretrain/run")
    started = Started(corpus, tmp_path, "data.workers=2", slow)
    started.until(note.exists)
    for _ in range(2):
        os.killpg(started.process.pid, signal.SIGINT)
        time.sleep(0.2)
    code, errors = started.ended()
    assert code == 128 + signal.SIGINT
    assert errors.startswith(
        "\ninterrupted twice, so the last step was not saved; run the same command again to resume"
    )
    assert saved(tmp_path / "pretrain/run") == before
    assert run(pretraining(corpus, tmp_path, "run")) == 0
    assert not list((tmp_path / "pretrain/run/checkpoints").glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "workers"), [((), 2), (TWO, 0)], ids=["one process with data workers", "two ranks"])
@pytest.mark.parametrize("number", CAUGHT)
@pytest.mark.parametrize("to", ["all", "first"])
def test_a_signal_saves_the_step_prints_how_to_resume_and_exits_with_its_code(
    to, number, ranks, workers, corpus, tmp_path
):
    """In a terminal Ctrl-C reaches all processes of a command; `kill` reaches one."""
    started = Started(corpus, tmp_path, *ranks, f"data.workers={workers}", "callbacks.checkpoints.every=100", SLOW)
    started.until_step(2)
    os.killpg(started.process.pid, number) if to == "all" else os.kill(started.process.pid, number)
    code, errors = started.ended()
    assert code == 128 + number
    assert errors.count("; run the same command again to resume: lm pretrain ") == 1
    assert f"saved at step {saved(started.directory)} of 12" in errors
    assert "Traceback" not in errors
    assert run(pretraining(corpus, tmp_path, "run", *ranks)) == 0


@pytest.mark.slow
def test_a_second_interrupt_ends_all_ranks(corpus, tmp_path):
    note = tmp_path / "note"
    slow = f"+callbacks.slow={{_target_: support.killers.SlowWhileSaving, seconds: 600, note: {note}}}"
    started = Started(corpus, tmp_path, *TWO, "data.workers=2", slow)
    started.until(note.exists)
    for _ in range(2):
        os.killpg(started.process.pid, signal.SIGINT)
        time.sleep(0.2)
    code, errors = started.ended()
    assert (code, errors.count("\ninterrupted twice")) == (128 + signal.SIGINT, 1)


@pytest.mark.parametrize(("number", "line"), [(signal.SIGTERM, "interrupted before the first step"), (None, "")])
def test_a_signal_while_a_giant_batch_is_prepared_ends_the_run_at_once(number, line, corpus, tmp_path):
    """Nothing is to be saved before the first step. SIGUSR1 of Slurm waits for it."""
    slow = "+callbacks.slow={_target_: support.killers.SlowToPrepare, seconds: 600, note: " + f"{tmp_path / 'note'}}}"
    started = Started(corpus, tmp_path, slow)
    started.until((tmp_path / "note").exists)
    if number is None:
        started.process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        assert started.process.poll() is None
        started.process.kill()
        return
    started.process.send_signal(number)
    code, errors = started.ended()
    assert code == 128 + number
    assert errors.startswith(f"\n{line}; run the same command again to resume: lm pretrain ")
    assert errors.count("\n") == 2


def test_the_wakeup_file_is_restored_and_no_thread_is_left():
    """Otherwise a byte per signal would go into whatever file reuses the number of the closed pipe."""
    known, (reader, writer) = {*threading.enumerate()}, os.pipe()
    os.set_blocking(writer, False)
    first = signal.set_wakeup_fd(writer)
    try:
        with on_arrival(lambda number: None):
            (counting,) = {*threading.enumerate()} - known
    finally:
        restored = signal.set_wakeup_fd(first)
        os.close(reader)
        os.close(writer)
    assert restored == writer
    counting.join(10)
    assert not counting.is_alive()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_does_not_count_interrupts():
    """The same Ctrl-C reaches a data worker too, and two bytes for it would end the run unsaved."""
    with on_arrival(lambda number: None):
        child = os.fork()
        if not child:
            os._exit(0 if signal.set_wakeup_fd(-1) == -1 else 1)
        assert os.waitpid(child, 0)[1] == 0
