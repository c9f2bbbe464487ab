"""What holds for every test."""

import os
import signal
from collections.abc import Iterator

import pytest
import torch
from lightning_utilities.core.rank_zero import rank_zero_only

# Tests run side by side; several threads for a model of a few thousand weights only wait for each other.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes they start
os.environ["LM_CACHE"] = os.devnull  # what was measured on this machine changes no line that a test reads

# A shell has what it starts in the background ignore Ctrl-C, and so do the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # by nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def first_rank() -> Iterator[None]:
    """Lightning keeps the rank of the process; a test that plays another one leaves it behind."""
    yield
    rank_zero_only.rank = 0
