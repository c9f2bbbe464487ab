"""Log to Weights & Biases: one curve per run, however often it was resumed.

Lightning's WandbLogger starts a new run each time, does not know the run's config, and leaves more to the environment.
wandb is imported when the first metric is logged, so runs without this logger never import it.
"""

import json
import os
import re
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal

from lightning.pytorch.utilities import rank_zero_only

from lm.callbacks.loggers import TextLogger
from lm.callbacks.metrics_file import MetricsFile
from lm.files import write_atomically
from lm.progress import Console

if TYPE_CHECKING:
    from wandb import Run

STEP = "step"
FALSE = ("", "0", "false", "f", "no", "n")  # as wandb reads an environment variable
MODEL = ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "model.json", "tokenizer.json")


class Wandb(TextLogger):
    """Log config, metrics and samples to Weights & Biases, and upload the finished run's artifacts on request.

    WANDB_MODE=offline, WANDB_MODE=disabled and WANDB_DISABLED=true restrict what the config allows; no environment
    variable sends what the config does not. The run's id is stored in its directory, so every process that resumes the
    run continues the same curve; offline, each process writes a file of its own under `wandb/`. wandb loses what it
    has not written when its process is killed. The next process therefore logs the rows of metrics.csv that wandb does
    not have; offline that is all of them, so the last file alone is complete. Steps that a killed process had logged
    beyond its checkpoint are logged again; plotted over `step`, and bit-identical except for timings, they change no
    curve. The jobs of a sweep form a group.

    Args:
        save_dir: Directory of the run; `train` passes it.
        project: Project of Weights & Biases.
        entity: User or team that owns the project; null for the default of the account.
        offline: Whether to write files only, to be sent later by `wandb sync`. False needs a login or WANDB_API_KEY.
        tags: Tags of the run.
        artifacts: What to upload of the finished run: `tokenizer`, or `model` for checkpoints and everything needed to
            load them; null for nothing.

    Raises:
        ValueError: `offline` is false and wandb does not accept the login.
    """

    def __init__(
        self,
        save_dir: str,
        *,
        project: str,
        entity: str | None = None,
        offline: bool = True,
        tags: list[str] | None = None,
        artifacts: Literal["tokenizer", "model"] | None = None,
    ):
        super().__init__()
        self.directory = Path(save_dir)
        self.project, self.entity, self.offline, self.tags = project, entity, offline, tags
        self.artifacts = artifacts
        self._run: Run | None = None
        self._lost = False

    @property
    def name(self) -> str:
        return "wandb"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict | Namespace, *args: Any) -> None:
        """Do nothing: the config is read from the run directory."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._send(lambda: self._open(step).log({STEP: step, **metrics}))

    @rank_zero_only
    def log_texts(self, name: str, rows: Sequence[Mapping[str, str | int]], *, step: int) -> None:
        def send() -> None:
            run = self._open(step)
            from wandb import Table

            table = Table(columns=[STEP, *rows[0]], data=[[step, *row.values()] for row in rows])
            run.log({STEP: step, name: table})

        self._send(send)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self._run is not None:
            self._send(lambda: self._finish(succeeded=status == "success"))
            self._run = None

    def _send(self, call: Callable[[], None]) -> None:
        """Call wandb, whose own process may end before this one: Slurm ends all of a job's while the run still saves.

        The next process of the run logs what is lost.
        """
        if self._lost:
            return
        try:
            call()
        except ConnectionError:
            self._lost = True
            Console("wandb").warn(f"wandb's process has ended; metrics continue in {self.directory}/metrics.csv")
            with suppress(ConnectionError):  # otherwise it raises again when this process ends
                import wandb

                wandb.teardown()

    def _finish(self, *, succeeded: bool) -> None:
        if succeeded and self.artifacts:
            self._upload(["tokenizer.json"] if self.artifacts == "tokenizer" else MODEL)
        self._run.finish(exit_code=0 if succeeded else 1)

    def _open(self, step: int) -> "Run":
        """Start or resume the run in wandb at this step."""
        if self._run is None:
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # otherwise it reports its own errors to Sentry
            import wandb

            config = json.loads((self.directory / "config.json").read_bytes())
            job, name = config["run"]["job"], config["run"]["name"]
            try:
                self._run = wandb.init(
                    project=self.project,
                    entity=self.entity,
                    dir=self.directory,
                    id=self._id(),
                    resume="allow",
                    mode=self._mode(),
                    config=config,
                    name=name,
                    group=name.rpartition("/")[0] or None,
                    job_type=job,
                    tags=self.tags,
                    settings=wandb.Settings(silent=True, console="off", disable_git=True, x_disable_machine_info=True),
                )
            except wandb.Error as error:
                reason = str(error).strip().splitlines()[0]
                raise ValueError(
                    f"logger.wandb.offline=false: {reason}: run `wandb login` or set WANDB_API_KEY, or stay offline "
                    f"and send later: wandb sync {self.directory}/wandb/offline-run-*"
                ) from error
            self._run.define_metric("*", step_metric=STEP)
            known = self._run.summary.get(STEP, 0)  # last step sent before; 0 when offline
            for row in MetricsFile(str(self.directory)).read():
                if known < int(row["step"]) < step:
                    self._run.log(
                        {name: float(value) for name, value in row.items() if value} | {STEP: int(row["step"])}
                    )
        return self._run

    def _mode(self) -> Literal["online", "offline", "disabled"]:
        mode = os.environ.get("WANDB_MODE", "").lower()
        if mode == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() not in FALSE:
            return "disabled"
        return "offline" if self.offline or mode in ("offline", "dryrun") else "online"

    def _id(self) -> str:
        """Return the id, drawn once and stored in the run directory. A restarted run has another."""
        file = self.directory / "wandb.json"
        if not file.exists():
            write_atomically(file, json.dumps({"id": token_hex(6)}))
        return json.loads(file.read_bytes())["id"]

    def _upload(self, files: Sequence[str]) -> None:
        from wandb import Artifact

        name = "-".join(self.directory.parts[-2:])  # wandb allows no other characters
        artifact = Artifact(re.sub(r"[^\w.-]+", "-", name), type=self.artifacts)
        for file in files:
            if (self.directory / file).exists():  # a run without validation has no best.ckpt
                artifact.add_file(str(self.directory / file), name=file, policy="immutable")
        self._run.log_artifact(artifact)
