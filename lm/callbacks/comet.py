"""Log to Comet: one experiment per run, however often it was resumed, and nothing that the config does not allow.

Lightning's CometLogger disables an offline experiment, so that it writes nothing, and leaves more to Comet's defaults:
it captures the output of the process, the environment and the host.
"""

import json
import logging
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lm.callbacks.metrics_file import MetricsFile
from lm.files import write_atomically

if TYPE_CHECKING:
    from comet_ml import CometExperiment

NOT_CAPTURED = (  # by Comet on its own account
    *("log_code", "log_graph", "parse_args", "log_git_metadata", "log_git_patch"),
    *("log_env_details", "log_env_gpu", "log_env_host", "log_env_cpu", "log_env_network", "log_env_disk"),
    *("auto_output_logging", "auto_param_logging", "auto_metric_logging", "auto_log_co2"),
    "auto_histogram_tensorboard_logging",
)


class Comet(Logger):
    """Log config and metrics to Comet, offline by default.

    The key of the experiment is stored in the run's directory, so every process that resumes the run continues the
    same curve. Offline, each process that ends by itself writes an archive, to be sent by `comet upload`. Comet loses
    what a killed process had logged, so the next process logs the rows of metrics.csv again: its archive is complete.

    Args:
        save_dir: Directory of the run; `train` passes it.
        offline_directory: Directory of the archives; null for `comet` in the run's directory.
        project: Project of Comet.
        workspace: Workspace that owns the project; null for the default of the account.
        offline: Whether to write archives only, and to open no socket. False needs COMET_API_KEY or `comet login`.
        tags: Tags of the experiment; null for none.

    Raises:
        ValueError: `offline` is false and there is no API key.
    """

    def __init__(
        self,
        save_dir: str,
        *,
        project: str,
        offline_directory: str | None = None,
        workspace: str | None = None,
        offline: bool = True,
        tags: list[str] | None = None,
    ):
        os.environ.setdefault("COMET_DISABLE_AUTO_LOGGING", "1")
        import comet_ml

        logging.getLogger("comet_ml").setLevel(logging.ERROR)  # it names each file that it writes
        super().__init__()
        if not offline and not comet_ml.get_config("comet.api_key"):  # it would ask, which nobody answers in a queue
            raise ValueError(
                "logger.comet.offline=false needs an API key: set COMET_API_KEY or run `comet login`, or stay offline "
                f"and send later: comet upload {save_dir}/comet/*.zip"
            )
        self.directory = Path(save_dir)
        self.offline_directory = Path(offline_directory or self.directory / "comet")
        self.project, self.workspace, self.offline, self.tags = project, workspace, offline, tags
        self._experiment: CometExperiment | None = None

    @property
    def name(self) -> str:
        return "comet"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict | Namespace, *args: Any) -> None:
        """Do nothing: the config is read from the run directory."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._open(step).log_metrics(metrics, step=step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self._experiment is not None:
            self._experiment.end()
            self._experiment = None

    def _open(self, step: int) -> "CometExperiment":
        """Start or resume the experiment at this step."""
        if self._experiment is None:
            import comet_ml

            config = json.loads((self.directory / "config.json").read_bytes())
            self.offline_directory.mkdir(parents=True, exist_ok=True)
            self._experiment = comet_ml.start(
                project=self.project,
                workspace=self.workspace,
                experiment_key=self._key(),
                mode="get_or_create",
                online=not self.offline,
                experiment_config=comet_ml.ExperimentConfig(
                    name=config["run"]["name"],
                    tags=self.tags,
                    offline_directory=str(self.offline_directory),
                    display_summary_level=0,
                    **dict.fromkeys(NOT_CAPTURED, False),
                ),
            )
            self._experiment.log_parameters(config, nested_support=True)
            for row in MetricsFile(str(self.directory)).read() if self.offline else ():
                if int(row["step"]) < step:
                    values = {name: float(value) for name, value in row.items() if value and name != "step"}
                    self._experiment.log_metrics(values, step=int(row["step"]))
        return self._experiment

    def _key(self) -> str:
        """Return the key, drawn once and stored in the run directory. A restarted run has another."""
        file = self.directory / "comet.json"
        if not file.exists():
            write_atomically(file, json.dumps({"key": token_hex(16)}))
        return json.loads(file.read_bytes())["key"]
