"""The Lightning trainer of a run: which devices it uses, and what Lightning is asked to do."""

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.loggers import Logger

from lm.checkpoint.files import AtomicCheckpointIO
from lm.directory import Run
from lm.hardware.compute import Compute, accelerator_name, count_devices
from lm.optimizer import Plan
from lm.parallel import placement_of
from lm.process.launcher import check_ranks, export_slurm_tasks_per_node, install_rank_supervisor
from lm.training.loop import use_training_loop

# Settings of where and how a run is executed. They do not change its result; all others follow from the plan.
EXECUTION = (
    "accelerator", "devices", "num_nodes", "strategy", "deterministic", "benchmark", "detect_anomaly", "profiler",
)  # fmt: skip
SILENCED = (
    ".*does not have many workers.*",  # rows are made by arithmetic; a worker process rarely pays
    ".*dataloader is not resumable.*",  # the order follows from the step
    ".*isinstance.treespec, LeafSpec.*",
    ".*`srun` command is available.*",  # on a submit host, not every run is a Slurm job
    ".*smaller than the logging interval.*",
    ".*recommended to use `self.log.*sync_dist=True.*",  # logged values are sums over all ranks already
)


@dataclass(frozen=True)
class Devices:
    """The devices of a run: `count` groups of `tensor` devices, each group with rows of its own.

    Attributes:
        accelerator: cpu, cuda or mps.
        count: Groups that read different rows.
        tensor: Devices of a group, which share every matrix (tensor parallelism).
        sharded: Whether all devices share weights, gradients and optimizer state.
        threads: Threads of one rank on the CPU.
    """

    accelerator: str
    count: int
    tensor: int = 1
    sharded: bool = False
    threads: int = 1

    @property
    def ranks(self) -> int:
        return self.count * self.tensor


def resolve_devices(trainer: Callable[..., Trainer], compute: Compute) -> Devices:
    """Return the devices that the `trainer` config names, and set the threads of this process.

    Raises:
        ValueError: If the config sets something else than where and how a run is executed, names devices that do not
            exist, or a strategy that these devices or `compute` cannot serve.
    """
    settings = _execution(trainer)
    accelerator = accelerator_name(settings["accelerator"])
    ranks_here = count_devices(settings["accelerator"], settings["devices"])
    threads = compute.resolve_threads(ranks_here if accelerator == "cpu" else 1)
    ranks = ranks_here * settings.get("num_nodes", 1)
    placement = placement_of(settings.get("strategy", "auto"))
    placement.check(ranks=ranks, compute=compute)
    tensor = placement.tensor_parallel_size
    return Devices(accelerator, ranks // tensor, tensor=tensor, sharded=placement.is_sharded, threads=threads)


def make_trainer(
    trainer: Callable[..., Trainer],
    *,
    run: Run,
    plan: Plan,
    devices: Devices,
    precision: str,
    validations: int,
    callbacks: Sequence[Callback],
    loggers: Iterable[Callable[..., Logger]],
) -> Trainer:
    """Return the Lightning trainer of a planned run, with its ranks checked and supervised.

    Args:
        trainer: Factory of the trainer, with the settings of execution.
        run: The run whose directory holds logs and checkpoints.
        plan: Steps and micro-batches of the run.
        devices: The devices that the plan is made for.
        precision: Lightning's name of the precision.
        validations: Validations of the run, evenly spaced; the last step is always validated. 0 for none.
        callbacks: In calling order.
        loggers: Factories of loggers; called with `save_dir`, if they take one and the config does not set it.
    """
    export_slurm_tasks_per_node()
    made = trainer(
        **_loop(plan, validations),
        enable_progress_bar=any(isinstance(each, ProgressBar) for each in callbacks),  # only those of the config
        enable_checkpointing=any(isinstance(each, Checkpoint) for each in callbacks),
        precision=precision,
        callbacks=[*callbacks],
        logger=[_made(make, run.directory) for make in loggers],
        default_root_dir=str(run.directory),
        plugins=[AtomicCheckpointIO()],
    )
    use_training_loop(made)
    check_ranks(made, planned=devices.ranks)
    install_rank_supervisor(made, run.supervisor)
    return made


def _made(logger: Callable[..., Logger], directory: Path) -> Logger:
    given = logger.keywords if isinstance(logger, partial) else {}
    takes = "save_dir" in signature(logger).parameters
    return logger(save_dir=str(directory)) if takes and "save_dir" not in given else logger()


def silence_lightning() -> None:
    """Hide Lightning's hints about settings that `train` chooses on purpose."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in SILENCED:
        warnings.filterwarnings("ignore", text)


def _execution(trainer: Callable[..., Trainer]) -> dict[str, Any]:
    """The settings of the configured trainer."""
    settings: dict[str, Any] = trainer.keywords
    if foreign := sorted({*settings} - {*EXECUTION}):
        raise ValueError(
            f"trainer.{foreign[0]}: the trainer says where and how a run is executed ({', '.join(EXECUTION)}); what it "
            "computes is set by budget, compute, objective, validations and callbacks: set it there"
        )
    return settings


def _loop(plan: Plan, validations: int) -> dict[str, Any]:
    """Settings that follow from the plan, and those of Lightning's features that `lm` replaces."""
    interval = -(-plan.steps // max(1, validations))  # steps
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
        "enable_model_summary": False,
    }
