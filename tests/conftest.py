"""What holds for every test."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest
import torch
from lightning_utilities.core.rank_zero import rank_zero_only

from lm.__main__ import COLLECT_EVERY

# Tests run side by side; several threads for a model of a few thousand weights only wait for each other.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes they start
os.environ["LM_CACHE"] = os.devnull  # what was measured on this machine changes no line that a test reads

# Torch, Lightning and ten thousand tests live to the end; going through them all again and again takes a third of the
# time of collecting the tests and a fifth of that of composing configs. `lm.__main__` does the same for the command.
gc.set_threshold(COLLECT_EVERY)

# A shell has what it starts in the background ignore Ctrl-C, and so do the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # by nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(autouse=True)
def first_rank() -> Iterator[None]:
    """Lightning keeps the rank of the process; a test that plays another one leaves it behind."""
    yield
    rank_zero_only.rank = 0
