"""Which process of a run this is, and how its sister processes are started."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What torchrun, Lightning's launcher and Slurm set; a process above 0 in any of them is not the first.
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
# What Lightning's launcher leaves in the environment of the process that launched.
LEFT_BEHIND = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


def is_first_process() -> bool:
    """Whether this process speaks and writes for the run: true in every run of one process."""
    return not any(int(os.environ.get(name) or 0) for name in RANKS)


def data_share(trainer) -> tuple[int, int]:
    """How many ranks of a Lightning trainer read different rows, and which of those this one is.

    Ranks that compute parts of the same matrices (tensor parallelism) read the same rows.
    """
    told = trainer.distributed_sampler_kwargs or {"num_replicas": 1, "rank": 0}
    return told["num_replicas"], told["rank"]


def sum_over_ranks(trainer, values):
    """The sum of a tensor over the ranks that read different rows; `values` itself stays as it is."""
    if trainer.world_size == 1:
        return values
    total = trainer.strategy.reduce(values.to(trainer.strategy.root_device, copy=True), reduce_op="sum")
    return total / (trainer.world_size // data_share(trainer)[0])


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1


def end_with(parent: int) -> None:
    """Let this process, a rank that `parent` launched, not outlive it: killed, that one can tell nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it was killed before this came to be asked
        raise SystemExit(128 + signal.SIGKILL)


@contextmanager
def launches(config: Path) -> Iterator[None]:
    """Let ranks launched inside start from the frozen `config` of this very run, and clean up after them.

    Lightning starts the other ranks by running this process's command line again. In a sweep that is the
    whole sweep, in a pipeline the whole pipeline: each rank would train something else, all in one group.
    And what its launcher leaves in the environment would make the next job wait for ranks nobody starts.
    """
    main = sys.modules["__main__"]
    command, spec = sys.argv, main.__spec__
    grouped = _in_group()
    environment = {name: os.environ.get(name) for name in LEFT_BEHIND}
    sys.argv = [str(Path(__file__).with_name("__main__.py")), "_rank", str(config.absolute()), str(os.getpid())]
    main.__spec__ = None  # else Lightning prefers `python -m <whatever started us>` to sys.argv[0]
    try:
        yield
        if _in_group() and not grouped:
            sys.modules["torch.distributed"].barrier()  # the other ranks are done as well
    finally:
        if _in_group() and not grouped:  # also of a job that failed, or the next would be part of its group
            sys.modules["torch.distributed"].destroy_process_group()
        sys.argv, main.__spec__ = command, spec
        for name, value in environment.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _in_group() -> bool:
    distributed = sys.modules.get("torch.distributed")  # a job that never loaded torch has no group
    return bool(distributed and distributed.is_available() and distributed.is_initialized())
