"""Weights & Biases: one curve a run, however often it was killed, resumed or queued again.

Lightning's own logger makes a new run each time, has no config of ours, and leaves more to the environment. wandb is
imported when the first number is logged, so a run without it does not know it.
"""

import json
import os
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal

from lightning.pytorch.utilities import rank_zero_only

from lm.callbacks.metrics_file import MetricsFile
from lm.callbacks.text_logger import TextLogger
from lm.files import write_atomically

if TYPE_CHECKING:
    from wandb import Run

STEP = "step"
FALSE = ("", "0", "false", "f", "no", "n")  # as wandb reads a variable
MODEL = ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "model.json", "tokenizer.json")


class Wandb(TextLogger):
    """Config, metrics, samples and, if asked for, what the run makes.

    Offline unless `offline` is false; WANDB_MODE=offline, WANDB_MODE=disabled and WANDB_DISABLED=true hold back what
    would be sent or kept, and nothing in the environment sends what the config does not. The run's id lies in its
    directory, so every process that goes on with it goes on with the same curve; offline each writes a file of its own
    under `wandb/`. wandb loses what it has not yet written when its process is killed: the next one logs what is in
    metrics.csv and not there, which offline is all of it, so the last file alone is whole. Steps that a killed process
    had logged beyond its checkpoint come again; drawn over `step`, and the same to the last bit but for what a clock
    decides, they change no curve. A sweep is a group. When the run is finished, `artifacts` keeps its `tokenizer`, or
    the `model` with all that it takes to load it.
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
        """The config is the run's own."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._tell(lambda: self._opened(step).log({STEP: step, **metrics}))

    @rank_zero_only
    def log_texts(self, name: str, rows: Sequence[Mapping[str, str | int]], *, step: int) -> None:
        def tell() -> None:
            run = self._opened(step)
            from wandb import Table

            table = Table(columns=[STEP, *rows[0]], data=[[step, *row.values()] for row in rows])
            run.log({STEP: step, name: table})

        self._tell(tell)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self._run is not None:
            self._tell(lambda: self._finish(succeeded=status == "success"))
            self._run = None

    def _tell(self, what: Callable[[], None]) -> None:
        """Tell wandb, whose own process may have gone before this one: Slurm ends all of a job's, while we still save.

        What is lost then, the next process of the run logs.
        """
        if self._lost:
            return
        try:
            what()
        except ConnectionError:
            self._lost = True
            print(f"wandb's process has gone; {self.directory}/metrics.csv goes on", file=sys.stderr)
            with suppress(ConnectionError):  # or it says that again when this process ends
                import wandb

                wandb.teardown()

    def _finish(self, *, succeeded: bool) -> None:
        if succeeded and self.artifacts:
            self._keep(["tokenizer.json"] if self.artifacts == "tokenizer" else MODEL)
        self._run.finish(exit_code=0 if succeeded else 1)

    def _opened(self, step: int) -> "Run":
        """The run in wandb, begun or gone on with at this step."""
        if self._run is None:
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else it reports its own faults to Sentry
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
                told = str(error).strip().splitlines()[0]
                raise ValueError(
                    f"logger.wandb.offline=false: {told}: type `wandb login` or set WANDB_API_KEY, or leave it offline "
                    f"and send it later: wandb sync {self.directory}/wandb/offline-run-*"
                ) from error
            self._run.define_metric("*", step_metric=STEP)
            known = self._run.summary.get(STEP, 0)  # of what was sent before; offline there is none
            for row in MetricsFile(str(self.directory)).read():
                if known < int(row["step"]) < step:
                    self._run.log(
                        {name: float(value) for name, value in row.items() if value} | {STEP: int(row["step"])}
                    )
        return self._run

    def _mode(self) -> Literal["online", "offline", "disabled"]:
        asked = os.environ.get("WANDB_MODE", "").lower()
        if asked == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() not in FALSE:
            return "disabled"
        return "offline" if self.offline or asked in ("offline", "dryrun") else "online"

    def _id(self) -> str:
        """Subset once, and kept where the run is. One that starts again is another."""
        file = self.directory / "wandb.json"
        if not file.exists():
            write_atomically(file, json.dumps({"id": token_hex(6)}))
        return json.loads(file.read_bytes())["id"]

    def _keep(self, files: Sequence[str]) -> None:
        from wandb import Artifact

        name = "-".join(self.directory.parts[-2:])  # no other sign is allowed in it
        artifact = Artifact(re.sub(r"[^\w.-]+", "-", name), type=self.artifacts)
        for file in files:
            if (self.directory / file).exists():  # a run without validation has no best
                artifact.add_file(str(self.directory / file), name=file, policy="immutable")
        self._run.log_artifact(artifact)
