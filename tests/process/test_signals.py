"""A signal at any moment ends the command with one line and 128 + its number, and the same command resumes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lm.process import signals
from lm.process.signals import Interrupted, interruption_behind, is_repeated

ROOT = Path(__file__).parents[2]


def begin(script: str) -> subprocess.Popen:
    """A process that prints `here` where a signal is to meet it."""
    head = "import sys, signal, time, os\nfrom lm.process.signals import *\nend_in_words(['pretrain', 'seed=1'])\n"
    started = subprocess.Popen(
        [sys.executable, "-c", head + script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert started.stdout.readline() == "here\n", started.stderr.read()
    return started


def begin_stuck(change: str = "") -> subprocess.Popen:
    started = begin(change + STUCK)
    time.sleep(0.3)  # from the print into the lock
    return started


def end(started: subprocess.Popen, *numbers: int) -> tuple[int, str]:
    for number in numbers:
        started.send_signal(number)
        time.sleep(0.05)
    _, errors = started.communicate(timeout=30)
    return started.returncode, errors


LINE = "\ninterrupted; run the same command again to resume: lm pretrain seed=1\n"
SWALLOWING = """
print("here", flush=True)
while True:  # as an import or a library does
    try:
        try:
            time.sleep(60)
        finally:
            None.attribute
    except BaseException:
        pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_before_a_job_starts_a_signal_ends_the_process_whatever_would_swallow_it(number):
    assert end(begin(SWALLOWING), number) == (128 + number, LINE)


def test_several_signals_at_once_give_one_line():
    assert end(begin(SWALLOWING), signal.SIGTERM, signal.SIGTERM, signal.SIGINT) == (143, LINE)


STUCK = """
import ctypes
with unwinding():
    lock = ctypes.create_string_buffer(64)
    ctypes.CDLL(None).pthread_mutex_lock(lock)
    print("here", flush=True)
    ctypes.CDLL(None).pthread_mutex_lock(lock)  # never granted, and Python gets no chance to run a handler
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_whose_main_thread_stays_in_c_is_ended_from_another_thread(number):
    started = begin_stuck("import lm.process.signals as signals; signals.GRACE = 0.3")
    assert end(started, number) == (128 + number, LINE)


def test_a_second_ctrl_c_does_not_wait():
    code, errors = end(begin_stuck(), signal.SIGINT, signal.SIGINT)
    assert code == 130
    assert errors.startswith("\ninterrupted twice, so nothing more was saved; run the same command again to resume")


def test_a_job_unwinds():
    code, errors = end(
        begin(
            """
try:
    with unwinding():
        print("here", flush=True)
        time.sleep(60)
except Interrupted as interrupted:
    os._exit(interrupted.signal_number)
"""
        ),
        signal.SIGTERM,
    )
    assert (code, errors) == (signal.SIGTERM, "")


def test_nohup_is_respected_and_a_command_that_has_ended_ignores_signals():
    code, errors = end(
        begin("signal.signal(1, signal.SIG_IGN); end_in_words([]); print('here', flush=True); time.sleep(0.5)"),
        signal.SIGHUP,
    )
    assert (code, errors) == (0, "")
    code, errors = end(begin("ignore_signals(); print('here', flush=True); time.sleep(0.5)"), 1, 2, 15)
    assert (code, errors) == (0, "")


def broken_off(interrupted: Interrupted) -> None:
    try:
        raise interrupted
    finally:
        None.attribute  # noqa: B018


def test_an_interruption_is_found_behind_the_error_of_a_cleanup_that_it_broke_off():
    interrupted = Interrupted(15, "interrupted")
    with pytest.raises(AttributeError) as raised:
        broken_off(interrupted)
    assert interruption_behind(raised.value) is interrupted
    assert interruption_behind(ValueError()) is None


def test_a_second_signal_is_one_of_a_person_or_a_second_later(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("lm.process.signals.monotonic", lambda: clock[0])
    arrived: list = []
    assert [is_repeated(number, arrived) for number in (15, 15, 2)] == [False] * 3
    assert is_repeated(2, arrived)
    arrived.clear()
    assert not is_repeated(15, arrived)
    clock[0] = 1.5
    assert is_repeated(15, arrived)


# Seconds after the process can answer at all: while it imports, composes, builds and trains.
DELAYS = [0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0]
MET = [(delay, list(signals.SIGNALS)[number % 3]) for number, delay in enumerate(DELAYS)]


@pytest.mark.slow
@pytest.mark.parametrize(("delay", "number"), MET)
def test_a_run_met_at_any_moment_ends_with_one_line(number, delay, tmp_path_factory):
    from support.training_runs import make_corpus, of_seconds

    root = tmp_path_factory.mktemp("met")
    command = [sys.executable, "-m", "lm", "pretrain", *of_seconds(make_corpus(root / "corpus"), root, "run")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(
        [*command, "budget.steps=400"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not handles(started.pid, number):
        time.sleep(0.01)
    time.sleep(delay)
    code, errors = end(started, number)
    assert code == 128 + number
    assert len(errors.split("\n")) == 3
    assert "; run the same command again to resume: lm pretrain " in errors
    assert subprocess.run([*command, "budget.steps=400"], env=environment).returncode == 0


def handles(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal; before, Python itself is starting."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("seen", [True, False])
def test_only_a_signal_that_the_main_thread_does_not_see_is_forced(monkeypatch, seen):
    left, handled = [], signals._Process.handled
    monkeypatch.setattr(signals, "GRACE", 0.05)
    monkeypatch.setattr(signals, "leave", lambda *arguments: left.append(arguments))
    monkeypatch.setattr(signals._Process, "arrived", [])
    monkeypatch.setattr(signals._Process, "handled", handled if seen else -100.0)
    if seen:
        with pytest.raises(Interrupted):
            signals.on_signal(signal.SIGTERM, None)  # before the thread reads that it arrived
    signals._force(signal.SIGTERM)
    time.sleep(0.2)
    assert left == [] if seen else left == [(signal.SIGTERM, "interrupted")]
