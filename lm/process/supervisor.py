"""Lightning's start of the other ranks of this machine, in a way that lets all end when one fails."""

import os
from collections.abc import Callable
from typing import Any

from lightning import Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from lm.process.failure import report_failure
from lm.process.launch import current_supervisor


class Launcher(_SubprocessScriptLauncher):
    """Start ranks from the run's frozen config and watch over them, unless Slurm or torchrun has started them.

    Lightning's own watcher kills the launching process as well, seconds later and without a word: a sweep that was
    already at its next job.
    """

    def launch(self, function: Callable, *args: Any, trainer: Trainer | None = None, **options: Any) -> Any:
        ranks = self.cluster_environment
        ranks.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        launch = current_supervisor()
        if not ranks.creates_processes_externally:
            os.environ |= {
                "MASTER_ADDR": ranks.main_address,
                "MASTER_PORT": str(ranks.main_port),
                "NODE_RANK": str(ranks.node_rank()),
                "LOCAL_RANK": str(ranks.local_rank()),
                "WORLD_SIZE": str(self.num_processes * self.num_nodes),
            }
            for rank in range(1, self.num_processes):
                launch.start(rank, os.environ)
            self.procs = [*launch.others.values()]
        launch.watch(report_failure)
        try:
            return function(*args, **options)
        except Exception as error:
            launch.fail(error, report_failure)
            raise


def install_rank_supervisor(trainer: Trainer) -> None:
    """Let a trainer whose strategy starts processes start and watch them by `Launcher`."""
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _SubprocessScriptLauncher):
        trainer.strategy._launcher = Launcher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
