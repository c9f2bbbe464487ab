"""What trials measured at their validations, and whether one is worse than earlier ones.

The comparison is a function of files. A job that queried the study itself would need its storage from where it runs,
and the answer would depend on how far the jobs beside it are. So the search writes the trials it knows to a file before
it launches jobs, and the jobs read it.
"""

import json
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm.files import report_damage, write_atomically
from lm.sweep.metric import DIRECTIONS, Direction, Mode

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

REPORTS = ".validations.json"  # in the directory of a run


@dataclass(frozen=True)
class Report:
    """The metric at one validation."""

    validation: int  # from 1
    step: int
    value: float


def read_reports(directory: str | Path) -> list[Report]:
    """The reports of a run in order; empty for a run that no search may prune."""
    file = Path(directory, REPORTS)
    if not file.exists():
        return []
    with report_damage(file, "remove it: the run is then compared by its validations from here on"):
        return [Report(**each) for each in json.loads(file.read_bytes())]


def write_reports(directory: str | Path, reports: Sequence[Report]) -> None:
    """Write the reports of a run, all of them: a search that resumes reads them."""
    write_atomically(Path(directory, REPORTS), json.dumps([asdict(each) for each in reports]))


def check_reports(config: Mapping[str, Any], swept: Collection[str]) -> None:
    """Refuse to prune jobs that report nothing before their end.

    Args:
        config: Plain config of the job.
        swept: Keys that are searched.
    """
    validations = config.get("validations")
    if validations is None or "callbacks" not in config:
        raise ValueError(
            "hydra/sweeper/pruner: this job reports nothing before its end, so it cannot be pruned: search one that "
            "trains with validations, such as pretrain, or leave out the pruner"
        )
    if "validations" in swept:
        raise ValueError(
            "validations: cannot be searched with a hydra/sweeper/pruner, which compares trials at equal validations: "
            "give it one value, or leave out the pruner"
        )
    if validations < 2:
        raise ValueError(
            f"validations={validations}: a hydra/sweeper/pruner needs at least 2, as the last is at the end of a run: "
            "set validations=5, or leave out the pruner"
        )


def write_trials(study: "Study", file: Path, *, direction: Direction | None = None) -> None:
    """Write all trials of the study, in order; without `direction` jobs compare by that of their own metric."""
    trials = [
        {"state": each.state.name, "value": each.value, "values": each.intermediate_values}
        for each in study.get_trials(deepcopy=False)
    ]
    write_atomically(file, json.dumps({"direction": direction, "trials": trials}))


class Comparison:
    """Compare one trial with those in a file of `write_trials`, by a pruner of Optuna.

    Args:
        pruner: Factory of the pruner.
        trials: File that `write_trials` wrote.
        number: Number of the trial in the study.
    """

    def __init__(self, pruner: "Callable[[], BasePruner]", *, trials: str | Path, number: int):
        self.pruner, self.trials, self.number = pruner, Path(trials), number
        self._decisions: dict[int, bool] = {}  # validation → whether the pruner prunes there
        self._trial: Trial | None = None

    def unpromising(self, values: Mapping[int, float], *, mode: Mode = "min") -> bool:
        """Whether to prune the trial after `values`, by validation; a direction that the search sets counts."""
        trial = self._trial = self._trial or self._replay(mode)
        for validation, value in values.items():
            if validation not in self._decisions:
                self._decisions[validation] = _should_prune(trial, validation, value)
        return self._decisions[max(values)]

    def _replay(self, mode: Mode) -> "Trial":
        """The trial in a study in memory that repeats all earlier trials.

        Some pruners record with each trial how far it came, which the trials' values do not contain.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        earlier = json.loads(self.trials.read_bytes())
        study = optuna.create_study(
            study_name="sweep",  # Hyperband assigns groups by this name and the number of a trial
            direction=earlier["direction"] or DIRECTIONS[mode],
            sampler=optuna.samplers.RandomSampler(),
            pruner=self.pruner(),
        )
        state, own = optuna.trial.TrialState, None
        for number, each in enumerate(earlier["trials"]):
            trial = study.ask()
            if number == self.number:
                own = trial
                continue
            for validation, value in each["values"].items():
                _should_prune(trial, int(validation), value)
            if each["state"] == state.COMPLETE.name:
                study.tell(trial, each["value"])
            elif each["state"] == state.PRUNED.name:
                study.tell(trial, state=state.PRUNED)
        assert own is not None
        return own


def _should_prune(trial: "Trial", validation: int, value: float) -> bool:
    trial.report(value, validation)
    return trial.should_prune()
