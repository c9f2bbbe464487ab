"""A search prunes what Optuna's own loop would, wherever it is broken off, and however many jobs are at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lm.sweep import Outcome
from lm.sweep.comparison import Comparison, Report, read_reports, write_reports, write_trials
from lm.sweep.optuna import hyperband, journal, median, patient, percentile, random, sqlite, successive_halving, tpe
from lm.sweep.search import Point, Search, opened
from lm.sweep.space import interval

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")

SPACE = {"x": interval(0.0, 1.0, log=False), "y": interval(0.0, 1.0, log=False)}
VALIDATIONS = 6
PRUNERS = {
    "median": lambda: median(startup=2),
    "percentile": lambda: percentile(percentile=60.0, startup=1, warmup=2),
    "successive_halving": lambda: successive_halving(factor=2),
    "hyperband": lambda: hyperband(factor=2),
    "patient": lambda: patient(patience=0, pruner=lambda: median(startup=1)),
}


def curve(point: Point) -> list[float]:
    """Falls towards x, by y, and sometimes rises; curves cross."""
    return [
        point["x"] + (1 - point["y"] / 2) ** (2 * number) + 0.2 * ((number * point["y"] * 37) % 1)
        for number in range(1, VALIDATIONS + 1)
    ]


class Jobs:
    """Run jobs that report a curve, resume interrupted ones, and exit before report `dying`."""

    def __init__(self, directory: Path, study, pruner: Callable, *, dying: int = 0, sign: float = 1.0):
        self.directory, self.study, self.pruner, self.left, self.sign = directory, study, pruner, dying, sign
        self.started: list[int] = []

    def __call__(self, points: dict[int, Point]) -> list[Outcome]:
        write_trials(self.study, self.directory / "trials.json", direction=self.study.direction.name.lower())
        return [self.job(trial, point) for trial, point in points.items()]

    def job(self, trial: int, point: Point) -> Outcome:
        self.started.append(trial)
        name = ",".join(f"{key}={value}" for key, value in point.items())
        done, directory = Outcome(name, [], str(self.directory / name)), self.directory / name
        comparison = Comparison(self.pruner, trials=self.directory / "trials.json", number=trial)
        values = [self.sign * value for value in curve(point)]
        for number, value in enumerate(values, 1):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            reports = read_reports(directory)
            if len(reports) < number:
                write_reports(directory, [*reports, Report(number, 10 * number, value)])
            known = {each.validation: each.value for each in read_reports(directory)}
            if number < VALIDATIONS and len(known) == number and comparison.unpromising(known):
                return Outcome(name, [], done.directory, value=value, pruned_at=10 * number)
        return Outcome(name, [], done.directory, value=values[-1])


def searched(
    directory: Path,
    pruner: Callable,
    *,
    dying: int = 0,
    storage=journal,
    sampler=random,
    kind: type[Jobs] = Jobs,
    **settings,
) -> tuple[list[tuple], list[int]]:
    """All that the study knows at the end, and the trials that were begun."""
    chosen = {"trials": 12, "at_once": 1, "seed": 0, "direction": "minimize", **settings}
    search = Search(SPACE, sampler=sampler, **chosen)
    sign = 1.0 if chosen["direction"] == "minimize" else -1.0
    with opened(directory, search, storage=storage, config={}, restart=False) as study:
        jobs = kind(directory, study, pruner, dying=dying, sign=sign)
        search.run(study, jobs)
        return output(study), jobs.started


def output(study) -> list[tuple]:
    return [(each.state.name, each.params, each.value, each.intermediate_values) for each in study.get_trials()]


def by_optuna(points: list[Point], pruner: Callable, *, sign: float = 1.0) -> list[tuple]:
    """The same points in Optuna's own loop."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction = "minimize" if sign > 0 else "maximize"
    study = optuna.create_study(study_name="sweep", pruner=pruner(), direction=direction)

    def objective(trial) -> float:
        point = {key: trial.suggest_float(key, 0.0, 1.0) for key in SPACE}
        for number, value in enumerate(curve(point), 1):
            trial.report(sign * value, number)
            if number < VALIDATIONS and trial.should_prune():
                raise optuna.TrialPruned
        return sign * value

    for point in points:
        study.enqueue_trial(point)
    study.optimize(objective, n_trials=len(points))
    return output(study)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("name", PRUNERS)
def test_a_search_prunes_what_optuna_would(name: str, direction: str, tmp_path: Path) -> None:
    found, _ = searched(tmp_path, PRUNERS[name], trials=25, direction=direction)
    points = [params for _, params, _, _ in found]
    assert found == by_optuna(points, PRUNERS[name], sign=1.0 if direction == "minimize" else -1.0)
    assert {state for state, *_ in found} == {"COMPLETE", "PRUNED"}


@pytest.mark.parametrize("name", PRUNERS)
def test_a_search_interrupted_anywhere_prunes_the_same(name: str, tmp_path: Path) -> None:
    whole, _ = searched(tmp_path / "whole", PRUNERS[name], trials=7)
    reports = sum(len(values) for *_, values in whole)
    for dying in range(4, reports, 7):
        directory = tmp_path / f"{dying}"
        with pytest.raises(KeyboardInterrupt):
            searched(directory, PRUNERS[name], dying=dying, trials=7)
        assert searched(directory, PRUNERS[name], trials=7)[0] == whole


@pytest.mark.parametrize("storage", [sqlite, journal])
def test_an_extended_search_prunes_as_one_of_full_length(storage, tmp_path: Path) -> None:
    def soon(space, seed):
        return tpe(space, seed, startup=3)

    half, _ = searched(tmp_path / "extended", PRUNERS["median"], storage=storage, sampler=soon, trials=7)
    assert "PRUNED" in [state for state, *_ in half]
    extended, begun = searched(tmp_path / "extended", PRUNERS["median"], storage=storage, sampler=soon, trials=12)
    assert begun == [*range(7, 12)]  # none of those that were pruned
    assert extended == searched(tmp_path / "whole", PRUNERS["median"], sampler=soon, trials=12)[0]


@pytest.mark.parametrize("name", PRUNERS)
def test_a_comparison_does_not_depend_on_jobs_that_run_at_the_same_time(name: str, tmp_path: Path) -> None:
    class Backwards(Jobs):
        def __call__(self, points: dict[int, Point]) -> list[Outcome]:
            return super().__call__(dict(reversed(points.items())))[::-1]

    forwards, _ = searched(tmp_path / "forwards", PRUNERS[name], at_once=4)
    assert searched(tmp_path / "backwards", PRUNERS[name], at_once=4, kind=Backwards)[0] == forwards


def test_a_trial_is_compared_with_none_that_failed_or_is_not_done(tmp_path: Path) -> None:
    study = optuna.create_study()
    for value in (1.0, 2.0):
        trial = study.ask()
        trial.report(value, 1)
    study.tell(0, state=optuna.trial.TrialState.FAIL)
    study.ask()
    write_trials(study, tmp_path / "trials.json")
    comparison = Comparison(lambda: median(startup=0), trials=tmp_path / "trials.json", number=2)
    assert not comparison.unpromising({1: 9.0})


def test_a_trial_is_compared_at_its_last_validation(tmp_path: Path) -> None:
    study = optuna.create_study()
    for values in ([2.0, 1.0], [9.0]):
        trial = study.ask()
        for validation, value in enumerate(values, 1):
            trial.report(value, validation)
    study.tell(0, 1.0)  # the other one was cut when the study knew its first value
    write_trials(study, tmp_path / "trials.json")

    def judged(values: dict[int, float]) -> bool:
        return Comparison(lambda: median(startup=1), trials=tmp_path / "trials.json", number=1).unpromising(values)

    assert judged({1: 9.0})
    assert not judged({1: 9.0, 2: 0.5})
    assert not judged({1: 1.5})
