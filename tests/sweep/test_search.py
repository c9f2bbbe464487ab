"""Searches with a job that takes no time: what is tried, and what a break costs."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lm.sweep import Outcome
from lm.sweep.optuna import cma_es, grid, journal, random, sqlite, tpe
from lm.sweep.search import Point, Search, opened
from lm.sweep.space import choice, interval, stepped

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")

NUMBERS = {"x": interval(-4.0, 4.0, log=False), "rate": interval(1e-4, 1.0, log=True), "n": interval(1, 9, log=False)}
COUNTED = {"x": stepped([-1, 0, 1]), "kind": choice(["a", "b"])}
SAMPLERS = {"tpe": tpe, "random": random, "cma_es": cma_es, "grid": grid}


def valley(point: Point) -> float:
    return sum(float(value) ** 2 if isinstance(value, int | float) else len(value) for value in point.values())


def outcome(point: Point, **output: object) -> Outcome:
    name = ",".join(f"{key}={value}" for key, value in point.items())
    return Outcome(name, [*name.split(",")], f"runs/{name}", **{"value": valley(point), **output})


class Jobs:
    """Runs jobs, and notes them; breaks off within the `dying`-th batch, or fails where `fails` says."""

    def __init__(self, *, dying: int = 0, failing: Callable[[Point], bool] = lambda point: False):
        self.points: list[list[Point]] = []
        self.dying, self.failing = dying, failing

    def __call__(self, numbered: dict[int, Point]) -> Sequence[Outcome]:
        points = [*numbered.values()]
        self.points.append(points)
        if len(self.points) == self.dying:
            raise KeyboardInterrupt
        return [
            outcome(each, value=None, code=1, error="no") if self.failing(each) else outcome(each) for each in points
        ]


def search(directory: Path, jobs: Jobs, sampler=tpe, space=NUMBERS, storage=journal, **settings) -> list[Outcome]:
    chosen = {"trials": 8, "at_once": 1, "seed": 0, "direction": "minimize", **settings}
    given = {"config": chosen.pop("config", {}), "restart": chosen.pop("restart", False)}
    made = Search(space, sampler=lambda space, seed: sampler(space, seed), **chosen)
    with opened(directory, made, storage=storage, **given) as study:
        return made.run(study, jobs)


def soon(space, seed):
    """The estimators after three trials: few tests have ten."""
    return tpe(space, seed, startup=3)


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_search_interrupted_anywhere_ends_as_an_uninterrupted_one(name: str, at_once: int, tmp_path: Path) -> None:
    sampler, space = (soon if name == "tpe" else SAMPLERS[name]), COUNTED if name == "grid" else NUMBERS
    settings = {"sampler": sampler, "space": space, "trials": 7, "at_once": at_once}
    whole = search(tmp_path / "whole", Jobs(), **settings)
    assert len({each.name for each in whole}) == (6 if name == "grid" else 7)
    for dying in (1, 2):
        directory = tmp_path / f"{dying}"
        with pytest.raises(KeyboardInterrupt):
            search(directory, cut := Jobs(dying=dying), **settings)
        again = Jobs()
        assert search(directory, again, **settings) == whole
        assert again.points[0] == cut.points[-1]  # what was cut comes first, in the same directories
        assert sum(map(len, again.points)) == len(whole) - sum(map(len, cut.points[:-1]))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_search_killed_at_any_line_of_its_journal_ends_as_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    sampler, space = (soon if name == "tpe" else SAMPLERS[name]), COUNTED if name == "grid" else NUMBERS
    settings = {"sampler": sampler, "space": space, "trials": 5}
    whole = search(tmp_path, Jobs(), **settings)
    file = tmp_path / "study.journal"
    lines = file.read_bytes().splitlines(keepends=True)
    for kept in range(0, len(lines), 4):  # each place within a trial, as these have 6 or 7 lines
        torn = lines[kept][: len(lines[kept]) // 2]
        file.write_bytes(b"".join(lines[:kept]) + torn)
        file.with_name("study.journal.lock").symlink_to(file)  # Optuna's: it would wait for it
        assert search(tmp_path, Jobs(), **settings) == whole, f"{kept} lines"


@pytest.mark.parametrize("storage", [sqlite, journal])
def test_an_extended_search_ends_as_one_of_full_length(storage, tmp_path: Path) -> None:
    search(tmp_path / "extended", Jobs(), soon, storage=storage, trials=4)
    jobs = Jobs()
    extended = search(tmp_path / "extended", jobs, soon, storage=storage, trials=7)
    assert len(jobs.points) == 3
    assert extended == search(tmp_path / "whole", Jobs(), soon, trials=7)
    assert search(tmp_path / "extended", finished := Jobs(), soon, storage=storage, trials=7) == extended
    assert finished.points == []


def test_the_estimators_find_a_valley_better_than_chance(tmp_path: Path) -> None:
    def best(sampler, seed: int) -> float:
        found = search(tmp_path / f"{sampler.__name__}{seed}", Jobs(), sampler, trials=30, seed=seed)
        return min(each.number for each in found)

    assert sum(best(tpe, seed) < best(random, seed) for seed in range(3)) == 3


def test_seeds_try_other_points_and_the_same_seed_the_same(tmp_path: Path) -> None:
    first, same, other = (search(tmp_path / f"{i}", Jobs(), trials=3, seed=seed) for i, seed in enumerate((0, 0, 1)))
    assert first == same != other


def test_a_grid_has_each_combination_once_and_then_ends(tmp_path: Path) -> None:
    jobs = Jobs()
    found = search(tmp_path, jobs, grid, COUNTED, trials=100)
    assert sorted((each["x"], each["kind"]) for [each] in jobs.points) == [
        (x, kind) for x in (-1, 0, 1) for kind in "ab"
    ]
    assert len(found) == 6


def test_a_grid_refuses_an_interval(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rate: a grid needs countable values"):
        search(tmp_path, Jobs(), grid, {"kind": choice(["a"]), "rate": NUMBERS["rate"]})


def test_the_largest_value_is_best_when_maximizing(tmp_path: Path) -> None:
    space = {"x": interval(0.0, 4.0, log=False)}
    means = []
    for direction in ("minimize", "maximize"):
        found = search(tmp_path / direction, Jobs(), soon, space, trials=15, direction=direction)
        means.append(sum(each.number for each in found[5:]) / 10)
    assert means[0] < 4 < 8 < means[1]  # 16 / 3 by chance


def rewarded(points: dict[int, Point]) -> list[Outcome]:
    return [outcome(each, metric="validation/reward/mean", mode="max") for each in points.values()]


@pytest.mark.parametrize("storage", [sqlite, journal])
def test_a_search_takes_the_direction_of_the_metric_that_its_jobs_return(storage, tmp_path: Path) -> None:
    settings = {"sampler": soon, "storage": storage, "trials": 6, "at_once": 2}
    told = search(tmp_path / "told", rewarded, direction="maximize", **settings)
    assert search(tmp_path / "null", rewarded, direction=None, **settings) == told
    assert search(tmp_path / "null", Jobs(dying=1), direction=None, **settings) == told  # nothing is left to do
    with opened_study(tmp_path / "null", storage) as study:
        assert study.best_value == max(each.number for each in told)
        assert [each.number for each in study.get_trials()] == list(range(6))
    against = search(tmp_path / "against", rewarded, direction="minimize", **settings)
    assert against != told  # a direction that the user gives counts
    plain = search(tmp_path / "plain", Jobs(), direction=None, **settings)
    assert [each.value for each in plain] == [each.value for each in against]


def opened_study(directory: Path, storage):
    made = Search(NUMBERS, sampler=soon, trials=1, at_once=1, seed=0, direction=None)
    return opened(directory, made, storage=storage, config={}, restart=False)


def test_a_search_killed_while_its_direction_is_set_asks_for_the_same_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(tmp_path / "whole", rewarded, soon, direction=None)
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "add_trials", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "killed", rewarded, soon, direction=None)
    assert search(tmp_path / "killed", rewarded, soon, direction=None) == whole


def test_jobs_of_different_metrics_do_not_compare_in_a_search(tmp_path: Path) -> None:
    metrics = iter(["validation/bits_per_byte", "validation/reward/mean"])
    with pytest.raises(ValueError, match=r"metrics: validation/bits_per_byte \(min\), validation/reward/mean"):
        search(tmp_path, lambda points: [outcome(each, metric=next(metrics)) for each in points.values()])


def test_a_job_that_failed_counts_as_a_trial_and_is_run_once_more_by_the_same_command(tmp_path: Path) -> None:
    def even(point: Point) -> bool:
        return point["n"] % 2 == 0

    first = Jobs(failing=even)
    found = search(tmp_path, first)
    failed = [point for [point] in first.points if even(point)]
    assert failed
    assert len(first.points) == 8
    assert sum(each.code for each in found) == len(failed)
    mended = Jobs()
    found = search(tmp_path, mended)
    assert [point for [point] in mended.points] == failed
    assert [each.code for each in found] == [0] * 8


def test_a_pruned_trial_is_done_and_listed_again_by_the_same_command(tmp_path: Path) -> None:
    pruned = search(tmp_path, lambda points: [outcome(each, value=2.5, pruned_at=30) for each in points.values()])
    assert [(each.value, each.pruned_at) for each in pruned] == [(2.5, 30)] * 8
    jobs = Jobs()
    with_more = search(tmp_path, jobs, trials=9)
    assert len(jobs.points) == 1
    assert [(each.name, each.pruned_at) for each in with_more[:8]] == [(each.name, 30) for each in pruned]


def test_a_job_that_failed_and_then_was_pruned_is_done(tmp_path: Path) -> None:
    search(tmp_path, Jobs(failing=lambda point: True), trials=2)
    pruned = search(
        tmp_path, lambda points: [outcome(each, value=1.0, pruned_at=3) for each in points.values()], trials=2
    )
    search(tmp_path, again := Jobs(), trials=2)
    assert (len(pruned), again.points) == (2, [])


def test_a_point_suggested_twice_in_a_batch_runs_once(tmp_path: Path) -> None:
    def stubborn(space, seed):
        return random(space, 0)

    jobs = Jobs()
    search(tmp_path, jobs, stubborn, trials=3, at_once=3)
    assert [len(each) for each in jobs.points] == [1]


@pytest.mark.parametrize("number", [None, True, {"bits": 1.0}])
def test_a_job_that_returns_no_number_is_refused(number: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a number that a search can compare"):
        search(tmp_path, lambda points: [outcome(each, value=number) for each in points.values()])


def test_nan_is_reported_to_no_sampler(tmp_path: Path) -> None:
    found = search(tmp_path, lambda points: [outcome(each, value=float("nan")) for each in points.values()], trials=2)
    assert len(found) == 2


OTHERS = {
    "config": ({"config": {"steps": 2}}, "steps: 1 → 2"),
    "space": ({"space": {**COUNTED, "kind": choice(["a", "c"])}}, "space.kind: .*'b'.* → .*'c'"),
    "direction": ({"direction": "maximize"}, 'search.direction: "minimize" → "maximize"'),
    "seed": ({"seed": 1}, "search.seed: 0 → 1"),
}


@pytest.mark.parametrize(("changed", "output"), OTHERS.values(), ids=OTHERS)
def test_a_search_of_another_config_is_refused_unless_it_restarts(changed: dict, output: str, tmp_path: Path) -> None:
    settings = {"space": COUNTED, "config": {"steps": 1}, "trials": 2, "sampler": random}
    search(tmp_path, Jobs(), **settings)
    with pytest.raises(ValueError, match=f"(?s){output}.*run.restart=true"):
        search(tmp_path, Jobs(), **settings | changed)
    jobs = Jobs()
    search(tmp_path, jobs, **settings | changed, restart=True)
    assert len(jobs.points) == 2


def test_two_processes_do_not_search_in_one_directory(tmp_path: Path) -> None:
    script = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    command = [sys.executable, "-c", script, str(tmp_path / ".study.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        with pytest.raises(ValueError, match="another process searches in"):
            search(tmp_path, Jobs())
        other.communicate("\n")
    assert len(search(tmp_path, Jobs(), trials=1)) == 1
