"""Whether a trial promises less than earlier ones: a function of what they found, which nothing changes meanwhile.

A job that asked the study itself would need its storage from where it runs, and what it is told would depend on how far
the jobs beside it are. So the search writes the trials it knows to a file before it launches jobs, and these read it.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lm.files import write_atomically

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.trial import Trial


def write_trials(study: "Study", file: Path) -> None:
    """All trials of the study, in their order."""
    trials = [
        {"state": each.state.name, "value": each.value, "values": each.intermediate_values}
        for each in study.get_trials(deepcopy=False)
    ]
    write_atomically(file, json.dumps({"direction": study.direction.name.lower(), "trials": trials}))


class Comparison:
    """Hold the trial of a `number` against those in a file of `write_trials`, by an Optuna pruner."""

    def __init__(self, pruner: "Callable[[], BasePruner]", *, trials: str | Path, number: int):
        self.pruner, self.trials, self.number = pruner, Path(trials), number
        self._told: dict[int, bool] = {}  # validation → whether the pruner would have ended the trial there
        self._trial: Trial | None = None

    def unpromising(self, values: Mapping[int, float]) -> bool:
        """Whether it should end, after `values` by validation."""
        trial = self._trial = self._trial or self._opened()
        for validation, value in values.items():
            if validation not in self._told:
                self._told[validation] = _judged(trial, validation, value)
        return self._told[max(values)]

    def _opened(self) -> "Trial":
        """The trial in a study in memory, in which all that came before has been told once more.

        Some pruners note with each trial how far it came, which is no part of what the trials found.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        earlier = json.loads(self.trials.read_bytes())
        study = optuna.create_study(
            study_name="sweep",  # by which, and a trial's number, Hyperband draws
            direction=earlier["direction"],
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
                _judged(trial, int(validation), value)
            if each["state"] == state.COMPLETE.name:
                study.tell(trial, each["value"])
            elif each["state"] == state.PRUNED.name:
                study.tell(trial, state=state.PRUNED)
        assert own is not None
        return own


def _judged(trial: "Trial", validation: int, value: float) -> bool:
    trial.report(value, validation)
    return trial.should_prune()
