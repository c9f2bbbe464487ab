"""Ranks that Slurm or torchrun started all at once: as many as the trainer has, and none ahead of the first.

Ranks that Lightning launches itself find a run that the first has opened already; these do not.
"""

import os
import re

from lightning import LightningModule, Trainer
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import ParallelStrategy

from lm.process.ranks import is_first_process


def export_slurm_tasks_per_node() -> None:
    """Say what Lightning wants to hear of a job for which `--ntasks` was given, and not `--ntasks-per-node`."""
    step = os.environ.get("SLURM_STEP_TASKS_PER_NODE")  # of the ranks that srun has started, if it has
    spread = step or os.environ.get("SLURM_TASKS_PER_NODE", "")
    if step and not re.fullmatch(r"\d+(\(x\d+\))?", step):
        raise ValueError(f"Slurm spreads the tasks unevenly ({step} on a node): give srun --ntasks-per-node")
    if one := re.match(r"\d+", spread):
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", one[0])


def check_ranks(trainer: Trainer, *, planned: int) -> None:
    """Refuse another number of ranks than the plan is for: gradients would be scaled for ranks that are not there."""
    if not _started_at_once(trainer):
        if not is_first_process() and not isinstance(trainer.strategy, ParallelStrategy):
            raise ValueError(
                "several processes were started (by srun, torchrun or the like) for a trainer of one device: start "
                "one, or set trainer=ddp and trainer.devices to the number on each machine"
            )
    elif planned > 1 and "SLURM_JOB_ID" in os.environ and "SLURM_STEP_ID" not in os.environ:
        raise ValueError(
            f"one process was started in a Slurm job, for {planned} ranks: start it by srun, as in `srun "
            f"--ntasks={planned} lm …`"
        )
    elif trainer.world_size != planned:
        raise ValueError(
            f"{trainer.world_size} ranks were started, and trainer.devices × trainer.num_nodes is {planned}: start as "
            f"many (srun --ntasks={planned} lm …, or torchrun), or set trainer.devices and trainer.num_nodes"
        )


def wait_for_first(trainer: Trainer, module: LightningModule) -> None:
    """Return once the first rank has opened the run, or emptied it: all then find the same in its directory."""
    if _started_at_once(trainer) and trainer.world_size > 1:
        trainer.strategy.connect(module)  # which shares its devices out
        trainer.strategy.setup_environment()  # which the trainer finds done
        trainer.strategy.barrier()


def _started_at_once(trainer: Trainer) -> bool:
    strategy = trainer.strategy
    return isinstance(strategy, ParallelStrategy) and not isinstance(strategy.cluster_environment, LightningEnvironment)
