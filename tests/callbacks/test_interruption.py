"""Signals are noted while training only, and a second Ctrl-C is not held up."""

import signal

import pytest

from lm.callbacks import Interruption
from lm.callbacks.interruption import CAUGHT


@pytest.fixture
def training():
    before = {number: signal.getsignal(number) for number in CAUGHT}
    interruption = Interruption()
    with interruption.caught():
        interruption.setup(None, None, "fit")
        interruption.on_train_start(None, None)
        yield interruption
    assert {number: signal.getsignal(number) for number in CAUGHT} == before


@pytest.mark.parametrize("number", CAUGHT)
def test_a_signal_is_noted_and_does_not_end_the_process(number, training):
    signal.raise_signal(number)
    assert training.received == number


def test_a_second_interrupt_ends_the_process_at_once(training):
    signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
