"""Which process of a run this is, how many there are, and sums over them."""

import ctypes
import os
import sys

KILLED = 128 + 9  # exit code of a process that SIGKILL ended, which Windows does not have
# Set by torchrun, Lightning's launcher and Slurm; a process above 0 in any of them is not the first.
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_first_process() -> bool:
    """Whether this process prints and writes for the run: true in every run of one process."""
    return not any(int(os.environ.get(name) or 0) for name in RANKS)


def data_share(trainer) -> tuple[int, int]:
    """The number of ranks of a Lightning trainer that read different rows, and the index of this one among them.

    Ranks that compute parts of the same matrices (tensor parallelism) read the same rows.
    """
    sampler = trainer.distributed_sampler_kwargs or {"num_replicas": 1, "rank": 0}
    return sampler["num_replicas"], sampler["rank"]


def sum_over_ranks(trainer, values):
    """The sum of a tensor over the ranks that read different rows; `values` itself is not changed."""
    if trainer.world_size == 1:
        return values
    total = trainer.strategy.reduce(values.to(trainer.strategy.root_device, copy=True), reduce_op="sum")
    return total / (trainer.world_size // data_share(trainer)[0])


def this_rank(local: int | None = None) -> str:
    """`rank 1 of 2`, for this process or for a `local` rank of this machine; "" in a run of one process."""
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
    """Whether this process belongs to a torch process group; a job that never imported torch does not."""
    distributed = sys.modules.get("torch.distributed")
    return bool(distributed and distributed.is_available() and distributed.is_initialized())


def die_with_parent(parent: int) -> None:
    """Make the kernel kill this process when its `parent` dies: a killed parent cannot end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if os.getppid() != parent:  # it died before the call
        raise SystemExit(KILLED)
