"""What Lightning is asked to do, what it is not, and what of it need not be said."""

import logging
import warnings
from collections.abc import Iterable

from lm.optimizer import Plan

# Settings that change nothing of what is learned; the others follow from the plan and the parts.
CARRIES_OUT = (
    "accelerator", "devices", "num_nodes", "strategy", "deterministic", "benchmark", "detect_anomaly", "profiler",
)  # fmt: skip


def refuse_foreign(settings: Iterable[str]) -> None:
    """Let the trainer's config say where and how a run is carried out, and nothing else."""
    if foreign := sorted({*settings} - {*CARRIES_OUT}):
        raise ValueError(
            f"trainer.{foreign[0]}: the trainer says where and how a run is carried out ({', '.join(CARRIES_OUT)}); "
            "what it makes is said by budget, compute, objective, validations and callbacks: set it there"
        )


def settings_of(plan: Plan, validations: int) -> dict:
    """What follows from the plan, and what we do ourselves and Lightning therefore must not."""
    interval = -(-plan.steps // max(1, validations))  # steps; the last one is always validated
    return {
        "max_steps": plan.steps,
        "max_epochs": -1,
        "accumulate_grad_batches": plan.accumulate,
        "val_check_interval": interval * plan.accumulate,
        "check_val_every_n_epoch": None,
        "limit_val_batches": 1.0 if validations else 0,
        "num_sanity_val_steps": 0,
        "inference_mode": False,  # weights that are gathered in it could not be used outside
        "use_distributed_sampler": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }


def silence_lightning() -> None:
    """What Lightning says about settings that are ours to choose helps nobody who did not choose them."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",  # rows are made by arithmetic; a worker process rarely pays
        ".*dataloader is not resumable.*",  # order follows from the step
        ".*isinstance.treespec, LeafSpec.*",
        ".*`srun` command is available.*",  # where jobs are submitted, not every run is one
        ".*smaller than the logging interval.*",
        ".*recommended to use `self.log.*sync_dist=True.*",  # what is logged is of all ranks already
    ):
        warnings.filterwarnings("ignore", text)
