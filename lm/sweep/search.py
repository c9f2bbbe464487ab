"""A search by Optuna that can be interrupted, resumed and extended, and tries the same points either way."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm.directory.manifest import check_same_config
from lm.file_lock import lock_file
from lm.files import hash_json
from lm.sweep.comparison import read_reports
from lm.sweep.job import Outcome
from lm.sweep.metric import Direction, one_direction
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
    """Ask a study for points, run their jobs, and report the results to it, until `trials` are done.

    The results a study has decide what it suggests, so they are reported in the order of the trials, and only when all
    jobs of a batch have ended. A trial that was interrupted or failed runs again in its directory; a pruned one does
    not.

    Args:
        space: Key → distribution of its values.
        sampler: Factory of a sampler, from the space and a seed.
        trials: Complete or pruned trials to reach, earlier ones included.
        at_once: Jobs of a batch.
        seed: Seed of the search.
        direction: minimize or maximize; None takes that of the metric that the jobs return.
    """

    def __init__(
        self,
        space: "Mapping[str, BaseDistribution]",
        *,
        sampler: "Callable[[Mapping[str, BaseDistribution], int], BaseSampler]",
        trials: int,
        at_once: int,
        seed: int,
        direction: Direction | None,
    ):
        if not space:
            raise ValueError(
                "hydra/sweeper=optuna has nothing to search: give a key several values, "
                "as in optimizer.learning_rate='tag(log,interval(1e-4,1e-2))'"
            )
        self.space, self.sampler, self.trials, self.at_once = space, sampler, trials, at_once
        self.seed, self.direction = seed, direction

    def run(self, study: "Study", launch: Callable[[dict[int, Point]], Sequence[Outcome]]) -> list[Outcome]:
        """The outcomes of all trials of the study, earlier ones included; `launch` gets points by trial number."""
        done = study.get_trials(deepcopy=False, states=_done())
        earlier = [Outcome(**study.user_attrs[_attribute(each)], value=each.value) for each in done]
        found = {each.name: each for each in earlier}
        left = self.trials - len(done)
        self._queue_failed(study)
        while left > 0 and (batch := self._batch(study, min(self.at_once, left))):
            first = {hash_json(each.params): each for each in reversed(batch)}  # a point suggested twice runs once
            points = {each.number: each.params for each in batch if first[hash_json(each.params)] is each}
            outcomes = dict(zip(map(hash_json, points.values()), launch(points), strict=True))
            if self._turned(study, [*earlier, *found.values(), *outcomes.values()]):
                batch = [study.get_trials(deepcopy=False)[each.number] for each in batch]
            for trial in batch:
                outcome = outcomes[hash_json(trial.params)]
                found[outcome.name] = outcome
                _record(study, trial, outcome)
            left -= len(batch)
        return list(found.values())

    def _turned(self, study: "Study", outcomes: Sequence[Outcome]) -> bool:
        """Give the study the direction of the metric that the jobs return, in place; return whether it had another.

        No job says its metric before it has ended, and Optuna sets a direction when it makes a study. So the study
        is created again with the same trials. Killed in between, a search asks for the same points again.
        """
        metrics = [(each.metric, each.mode) for each in outcomes if each.metric and each.number is not None]
        measured = one_direction(metrics)
        direction = self.direction or measured or _direction_of(study)
        if direction == _direction_of(study):
            return False
        from optuna.study import StudyDirection

        trials, attributes, storage = study.get_trials(), study.user_attrs, study._storage
        storage.delete_study(study._study_id)
        storage.create_new_study([StudyDirection[direction.upper()]], study.study_name)
        study.__init__(study.study_name, storage, study.sampler, study.pruner)
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        study.add_trials(trials)
        return True

    def _queue_failed(self, study: "Study") -> None:
        """Queue failed points again that no later trial has completed."""
        from optuna.trial import TrialState

        trials = study.get_trials(deepcopy=False)
        ended = [each.params for each in trials if each.state in _done()]
        queued = [each.system_attrs.get("fixed_params") for each in trials if each.state == TrialState.WAITING]
        for each in trials:
            complete = each.params.keys() == self.space.keys()  # it was not interrupted while it was sampled
            if each.state == TrialState.FAIL and complete and each.params not in [*ended, *queued]:
                study.enqueue_trial(each.params)
                queued.append(each.params)

    def _batch(self, study: "Study", count: int) -> "list[FrozenTrial]":
        """The interrupted trials, then new ones; empty if every point of the space has been tried."""
        from optuna.trial import TrialState

        running = study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        batch = [each for each in running if each.params.keys() == self.space.keys()]
        halves = [each for each in running if each.params.keys() != self.space.keys()]  # interrupted while sampled
        points = size(self.space)
        while len(batch) < count:
            trials = study.get_trials(deepcopy=False)
            waiting = any(each.state == TrialState.WAITING for each in trials)
            sampled = [each.params for each in trials if each.params.keys() == self.space.keys()]
            if points is not None and len({*map(hash_json, sampled)}) >= points and not waiting and not halves:
                break
            seed = int(hash_json([self.seed, len(sampled)])[:8], 16)
            usual, study.sampler = study.sampler, self.sampler(self.space, seed)
            number = self._sample_rest(study, halves.pop(0)) if halves else study.ask({**self.space}).number
            study.sampler = usual  # Optuna's grid sampler works only inside Optuna's own loop
            batch.append(study.get_trials(deepcopy=False)[number])
        return batch[:count]

    def _sample_rest(self, study: "Study", half: "FrozenTrial") -> int:
        """Sample the keys that a trial lacks, as if it had not been interrupted, and return its number.

        Another trial would have another number, from which samplers derive what they suggest.
        """
        from optuna.trial import Trial

        trial = Trial(study, half._trial_id)
        for key, distribution in self.space.items():
            given = trial._is_fixed_param(key, distribution) or trial._is_relative_param(key, distribution)
            if key in half.params and not given and not distribution.single():
                study.sampler.sample_independent(study, half, key, distribution)  # the same random numbers are used up
            trial._suggest(key, distribution)
        return half.number


def _record(study: "Study", trial: "FrozenTrial", outcome: Outcome) -> None:
    from optuna.trial import TrialState

    number = outcome.number
    if outcome.code == 0 and number is None:
        raise ValueError(
            f"{outcome.directory or outcome.name} returned {outcome.value!r}, which is not a number that a search can "
            "compare: sweep a job that returns one, as pretrain does with validations"
        )
    where = {"name": outcome.name, "overrides": outcome.overrides, "directory": outcome.directory}
    measured = {"metric": outcome.metric, "mode": outcome.mode, "pruned_at": outcome.pruned_at}
    study.set_user_attr(_attribute(trial), {**where, **measured})
    for each in read_reports(outcome.directory) if outcome.directory and not outcome.code else ():
        # a trial from study.ask could report, but not for a trial that another process started
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


def _direction_of(study: "Study") -> str:
    return study.direction.name.lower()


def _attribute(trial: "FrozenTrial") -> str:
    return f"trial {trial.number}"


@contextmanager
def opened(
    directory: Path, search: Search, *, storage: "Callable[[Path], BaseStorage]", config: dict, restart: bool
) -> "Iterator[Study]":
    """The study in a directory, locked for this process; a study of another config is refused."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / LOCK, "a", encoding="utf-8") as lock:
        try:
            lock_file(lock, wait=False)
        except OSError:
            raise ValueError(f"another process searches in {directory}: wait for it, or set run.name=…") from None
        for path in directory.glob("study.journal.lock*"):
            path.unlink()  # Optuna's own lock, left by a killed search: it would be waited for
        if restart:
            for path in directory.glob("study.*"):
                path.unlink()
        study = optuna.create_study(
            study_name="sweep",
            storage=storage(directory),
            direction=search.direction or "minimize",
            sampler=optuna.samplers.RandomSampler(),
            load_if_exists=True,
        )
        described = {
            "config": config,
            "space": {key: str(each) for key, each in search.space.items()},
            "search": {"direction": search.direction or _direction_of(study), "seed": search.seed},
        }
        recorded = study.user_attrs.get("described", described)
        recorded = {**recorded, "search": {**recorded["search"], "direction": _direction_of(study)}}
        old, new = ({**each["config"], **each, "config": None} for each in (recorded, described))
        check_same_config(old, new, subject=f"the search in {directory}")
        study.set_user_attr("described", recorded)
        yield study
