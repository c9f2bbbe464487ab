"""Forward passes divided among the ranks of `lm evaluate`, as torchrun starts them: the same numbers as one process.

The batches are those of one process, each is computed by one rank, and every rank receives all results in order. So
scores do not depend on the number of ranks, to the last bit on equal devices. What is generated is not divided.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from torch import distributed

Part, Found = TypeVar("Part"), TypeVar("Found")
DIVIDED = ContextVar("divided", default=False)  # a group alone says nothing: a callback of training scores on one rank


@contextmanager
def divided(environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Divide what is computed inside among the ranks that torchrun has started, if it has; all ranks enter it.

    Args:
        environment: Where torchrun says how many there are.

    Raises:
        ValueError: Something else started several processes.
    """
    ranks = int(environment.get("WORLD_SIZE") or 1) if "RANK" in environment else 1
    if ranks == 1 and int(environment.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        raise ValueError(
            "lm evaluate was started in several processes by srun, which it does not divide its work among: start "
            "one, or torchrun in it, as srun --ntasks=1 torchrun --nproc-per-node=4 -m lm evaluate …"
        )
    if ranks == 1:
        yield
        return
    if not distributed.is_initialized():
        distributed.init_process_group("gloo")  # closed by what opened the job, or by the end of the process
    token = DIVIDED.set(True)
    try:
        yield
    finally:
        DIVIDED.reset(token)


def on_ranks(parts: Sequence[Part], work: Callable[[Part], Found]) -> list[Found]:
    """Return what `work` makes of each part, in order, on every rank; each part is done by one of them.

    Args:
        parts: The parts, the same on every rank.
        work: What to do with one; the results are pickled.
    """
    if not DIVIDED.get():
        return [work(part) for part in parts]
    ranks = distributed.get_world_size()
    mine = [work(part) for part in parts[distributed.get_rank() :: ranks]]
    gathered: list[list[Found]] = [[] for _ in range(ranks)]
    distributed.all_gather_object(gathered, mine)
    return [gathered[place % ranks][place // ranks] for place in range(len(parts))]


def of_first(value: Found) -> Found:
    """Return the value of the first rank on every rank, for what may differ between them, as what lies on a disk."""
    if not DIVIDED.get():
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]
