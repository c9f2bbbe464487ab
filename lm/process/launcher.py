"""How Lightning starts ranks here: from the run's frozen config, or as Slurm and torchrun started them."""

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

from lightning import LightningModule, Trainer
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import ParallelStrategy
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from lm.process.ranks import is_first_process
from lm.process.supervisor import RankSupervisor

T = TypeVar("T")


class Launcher(_SubprocessScriptLauncher):
    """Start ranks from the run's frozen config and watch them, unless Slurm or torchrun has started them.

    Lightning's own watcher kills the launching process as well, seconds later and without a message, even if a sweep
    has moved on to its next job.
    """

    supervisor: RankSupervisor

    def launch(self, function: Callable, *args: Any, trainer: Trainer | None = None, **options: Any) -> Any:
        ranks = self.cluster_environment
        ranks.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not ranks.creates_processes_externally:
            os.environ |= {
                "MASTER_ADDR": ranks.main_address,
                "MASTER_PORT": str(ranks.main_port),
                "NODE_RANK": str(ranks.node_rank()),
                "LOCAL_RANK": str(ranks.local_rank()),
                "WORLD_SIZE": str(self.num_processes * self.num_nodes),
            }
            for rank in range(1, self.num_processes):
                self.supervisor.start(rank, os.environ)
            self.procs = [*self.supervisor.others.values()]
        self.supervisor.watch()
        try:
            return function(*args, **options)
        except Exception as error:
            self.supervisor.exit_if_stuck(error)
            raise


def install_rank_supervisor(trainer: Trainer, supervisor: RankSupervisor) -> None:
    """Make a trainer whose strategy starts processes start and watch them through `supervisor`."""
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        ours = Launcher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
        ours.supervisor = supervisor
        trainer.strategy._launcher = ours


def export_slurm_tasks_per_node() -> None:
    """Set SLURM_NTASKS_PER_NODE, which Lightning reads, for a job that was given `--ntasks` only."""
    step = os.environ.get("SLURM_STEP_TASKS_PER_NODE")  # of the ranks that srun has started, if it has
    tasks = step or os.environ.get("SLURM_TASKS_PER_NODE", "")
    if step and not re.fullmatch(r"\d+(\(x\d+\))?", step):
        raise ValueError(f"Slurm distributes the tasks unevenly ({step} on a node): give srun --ntasks-per-node")
    if first := re.match(r"\d+", tasks):
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", first[0])


def check_ranks(trainer: Trainer, *, planned: int) -> None:
    """Refuse a number of ranks other than the planned one: gradients would be scaled for ranks that do not exist."""
    if not _started_externally(trainer):
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
    """Return once the first rank has opened or emptied the run, so that all ranks find the same directory.

    Ranks that Lightning launches start later; ranks that Slurm or torchrun start do not.
    """
    if _started_externally(trainer) and trainer.world_size > 1:
        trainer.strategy.connect(module)  # which assigns its devices
        trainer.strategy.setup_environment()  # which the trainer will find done
        trainer.strategy.barrier()


def choose_on_first(trainer: Trainer, module: LightningModule, choose: Callable[[], T]) -> T:
    """Return on every rank what `choose` returns on the first one, or raise its error; only that one calls it.

    Ranks that Lightning launches start later and find the choice in the run's record.
    """
    if not (_started_externally(trainer) and trainer.world_size > 1):
        if not is_first_process():
            raise ValueError(
                "this process finds no record of what the first node chooses, which it would have to wait for: start "
                "the nodes by srun or torchrun, or set budget=tokens and budget.tokens"
            )
        return choose()
    outcome: tuple[T | None, str] = (None, "")
    if is_first_process():  # before ranks are joined: an optimizer that shares its work would wait for the others
        try:
            outcome = (choose(), "")
        except Exception as error:  # no rank may raise alone: the others would wait
            outcome = (None, f"{type(error).__name__} on the first rank: {error}")
    trainer.strategy.connect(module)
    trainer.strategy.setup_environment()
    chosen, failure = trainer.strategy.broadcast(outcome)
    if failure:
        raise ValueError(failure)
    return chosen


def launches_ranks(trainer: Trainer) -> bool:
    """Whether Lightning is to start further ranks when training begins."""
    return trainer.world_size > 1 and not _started_externally(trainer)


def _started_externally(trainer: Trainer) -> bool:
    strategy = trainer.strategy
    return isinstance(strategy, ParallelStrategy) and not isinstance(strategy.cluster_environment, LightningEnvironment)
