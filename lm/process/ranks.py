"""Which process of a run this is."""

import ctypes
import os
import signal
import sys

# What torchrun, Lightning's launcher and Slurm set; a process above 0 in any of them is not the first.
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


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


def this_rank(local: int | None = None) -> str:
    """`rank 1 of 2`, this one or the one of another `local` rank of this machine; "" in a run of one process."""
    if in_group():
        distributed = sys.modules["torch.distributed"]
        rank, ranks = distributed.get_rank(), distributed.get_world_size()
    else:
        rank = next((int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID") if name in os.environ), 0)
        ranks = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_STEP_NUM_TASKS") or 1)
    if local is not None:
        rank += local - int(os.environ.get("LOCAL_RANK") or 0)
    return f"rank {rank} of {ranks}" if ranks > 1 else f"rank {rank}" if rank else ""


def in_group() -> bool:
    """Whether this process exchanges tensors with others; a job that never loaded torch has no group."""
    distributed = sys.modules.get("torch.distributed")
    return bool(distributed and distributed.is_available() and distributed.is_initialized())


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1


def end_with(parent: int) -> None:
    """Let this process, a rank that `parent` launched, not outlive it: killed, that one can tell nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it was killed before this came to be asked
        raise SystemExit(128 + signal.SIGKILL)
