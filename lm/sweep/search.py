"""A search by Optuna that can be broken off, gone on with and extended, and tries the same either way."""

import fcntl
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm.files import hash_json
from lm.run.manifest import WAY_OUT, differences
from lm.sweep.job import Outcome
from lm.sweep.reports import read_reports
from lm.sweep.space import size

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState

Point = dict[str, Any]  # a value for each key of the space
LOCK = ".study.lock"


class Search:
    """Ask a study for points, have their jobs run `at_once`, tell it what they returned, until `trials` are done.

    What a study knows decides what it asks for, so results are told in the order of the trials, and only when all of
    the jobs at once have ended. A trial that was cut is run again in its directory, and so is one that failed; one that
    was pruned is done, as a complete one is.
    """

    def __init__(
        self,
        space: "Mapping[str, BaseDistribution]",
        *,
        sampler: "Callable[[Mapping[str, BaseDistribution], int], BaseSampler]",
        trials: int,
        at_once: int,
        seed: int,
        direction: str,
    ):
        if not space:
            raise ValueError(
                "hydra/sweeper=optuna has nothing to search: give a key several values, "
                "as in optimizer.learning_rate='tag(log,interval(1e-4,1e-2))'"
            )
        self.space, self.sampler, self.trials, self.at_once = space, sampler, trials, at_once
        self.seed, self.direction = seed, direction

    def run(self, study: "Study", launch: Callable[[dict[int, Point]], Sequence[Outcome]]) -> list[Outcome]:
        """What all trials of the study found, earlier ones included; `launch` gets points by their trials' number."""
        done = study.get_trials(deepcopy=False, states=_done())
        earlier = [Outcome(**study.user_attrs[_place(each)], value=each.value) for each in done]
        found = {each.name: each for each in earlier}
        left = self.trials - len(done)
        self._again(study)
        while left > 0 and (batch := self._batch(study, min(self.at_once, left))):
            first = {hash_json(each.params): each for each in reversed(batch)}  # a point asked for twice is run once
            points = {each.number: each.params for each in batch if first[hash_json(each.params)] is each}
            outcomes = dict(zip(map(hash_json, points.values()), launch(points), strict=True))
            for trial in batch:
                outcome = outcomes[hash_json(trial.params)]
                found[outcome.name] = outcome
                _tell(study, trial, outcome)
            left -= len(batch)
        return list(found.values())

    def _again(self, study: "Study") -> None:
        """Queue once more what failed and was never done since."""
        from optuna.trial import TrialState

        trials = study.get_trials(deepcopy=False)
        ended = [each.params for each in trials if each.state in _done()]
        queued = [each.system_attrs.get("fixed_params") for each in trials if each.state == TrialState.WAITING]
        for each in trials:
            asked = each.params.keys() == self.space.keys()  # wholly, before it was cut
            if each.state == TrialState.FAIL and asked and each.params not in [*ended, *queued]:
                study.enqueue_trial(each.params)
                queued.append(each.params)

    def _batch(self, study: "Study", count: int) -> "list[FrozenTrial]":
        """The trials that were cut, and new ones; none where every point of the space has been tried."""
        from optuna.trial import TrialState

        batch = []
        for each in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            if each.params.keys() == self.space.keys():
                batch.append(each)
            else:  # cut while it was asked for
                study.tell(each.number, state=TrialState.FAIL)
        points = size(self.space)
        while len(batch) < count:
            trials = study.get_trials(deepcopy=False)
            waiting = any(each.state == TrialState.WAITING for each in trials)
            tried = {hash_json(each.params) for each in trials if each.params.keys() == self.space.keys()}
            if points is not None and len(tried) >= points and not waiting:
                break
            own = int(hash_json([self.seed, len(trials)])[:8], 16)
            usual, study.sampler = study.sampler, self.sampler(self.space, own)
            asked = study.ask({**self.space})
            study.sampler = usual  # Optuna's grid cannot be told anything outside of Optuna's own loop
            batch.append(study.get_trials(deepcopy=False)[asked.number])
        return batch[:count]


def _tell(study: "Study", trial: "FrozenTrial", outcome: Outcome) -> None:
    from optuna.trial import TrialState

    number = outcome.number
    if outcome.code == 0 and number is None:
        raise ValueError(
            f"{outcome.directory or outcome.name} returned {outcome.value!r}, which is no number that a search could "
            "compare: sweep a job that returns one, as pretrain does with validations"
        )
    where = {"name": outcome.name, "overrides": outcome.overrides, "directory": outcome.directory}
    study.set_user_attr(_place(trial), {**where, "pruned_at": outcome.pruned_at})
    for each in read_reports(outcome.directory) if outcome.directory and not outcome.code else ():
        # what study.ask gave could report, but not to a trial that was begun by another process
        study._storage.set_trial_intermediate_value(trial._trial_id, each.validation, each.value)
    if outcome.pruned_at is not None:
        study.tell(trial.number, state=TrialState.PRUNED)
    elif outcome.code or isnan(number):
        study.tell(trial.number, state=TrialState.FAIL)
    else:
        study.tell(trial.number, number)


def _done() -> "tuple[TrialState, ...]":
    from optuna.trial import TrialState

    return TrialState.COMPLETE, TrialState.PRUNED


def _place(trial: "FrozenTrial") -> str:
    return f"trial {trial.number}"


@contextmanager
def opened(
    directory: Path, search: Search, *, storage: "Callable[[Path], BaseStorage]", config: dict, restart: bool
) -> "Iterator[Study]":
    """The study that lies in a directory, for this process alone; one that was begun with another config is refused."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / LOCK, "a") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another process searches in {directory}: wait for it, or set run.name=…") from None
        if restart:
            for path in directory.glob("study.*"):
                path.unlink()
        study = optuna.create_study(
            study_name="sweep",
            storage=storage(directory),
            direction=search.direction,
            sampler=optuna.samplers.RandomSampler(),
            load_if_exists=True,
        )
        described = {
            "config": config,
            "space": {key: str(each) for key, each in search.space.items()},
            "search": {"direction": search.direction, "seed": search.seed},
        }
        begun = study.user_attrs.get("described", described)
        if differing := differences(begun["config"], config) + differences(
            {key: begun[key] for key in ("space", "search")}, {key: described[key] for key in ("space", "search")}
        ):
            lines = "".join(f"\n  {line}" for line in differing)
            raise ValueError(f"the search in {directory} was begun with others:{lines}\n{WAY_OUT}")
        study.set_user_attr("described", begun)
        yield study
