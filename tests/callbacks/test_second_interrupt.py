"""The counting of interrupts is of the process that began it, and leaves nothing behind."""

import os
import signal
import threading

import pytest

from lm.callbacks.second_interrupt import ended_by_second_interrupt


def test_afterwards_signals_are_told_to_whom_they_were_before_and_no_thread_is_left():
    """A byte for each signal would else go into whatever file has the number of the closed pipe."""
    known, (reader, writer) = {*threading.enumerate()}, os.pipe()
    os.set_blocking(writer, False)
    first = signal.set_wakeup_fd(writer)
    try:
        with ended_by_second_interrupt():
            (counting,) = {*threading.enumerate()} - known
    finally:
        found = signal.set_wakeup_fd(first)
        os.close(reader)
        os.close(writer)
    assert found == writer
    counting.join(10)
    assert not counting.is_alive()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_does_not_count_with_its_parent():
    """The same Ctrl-C comes to a data worker too, and two bytes for it would end the run unsaved."""
    with ended_by_second_interrupt():
        child = os.fork()
        if not child:
            os._exit(0 if signal.set_wakeup_fd(-1) == -1 else 1)
        assert os.waitpid(child, 0)[1] == 0
