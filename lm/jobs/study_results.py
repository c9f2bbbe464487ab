"""What the stages of a study measured, read from the manifests of their runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.callbacks.metrics_file import read_table
from lm.directory.manifest import read_manifest
from lm.jobs.trials import Trial, Trials
from lm.report import compare, numbers_in, value_at


def compared_columns(
    trials: Trials,
    columns: Mapping[str, Sequence[str]],
    metrics: Mapping[str, Any],
    expected: Mapping[str, Mapping[str, str]],
    curves: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """The result of a study without arms: its columns, and the curves over the steps of its stages."""
    measured = {
        column: _measured([[trials.directory(name, trial) for name in names] for trial in trials], metrics)
        for column, names in columns.items()
    }
    over_steps = {
        name: _curves([trials.directory(name, trial) for trial in trials], wanted) for name, wanted in curves.items()
    }
    return {**compare(measured, expected), "curves": over_steps}


def _measured(directories: Sequence[Sequence[Path]], metrics: Mapping[str, str]) -> dict[str, list[float]]:
    """The values of each metric that a column has, seed by seed.

    Args:
        directories: The runs of the column's stages, of each seed.
        metrics: Name → place in a result.
    """
    results = [[read_manifest(directory)["result"] for directory in of_seed] for of_seed in directories]
    found: dict[str, list[float]] = {}
    for name, path in metrics.items():
        values = [
            next((value for result in of_seed if (value := value_at(result, path)) is not None), None)
            for of_seed in results
        ]
        if all(value is not None for value in values):
            found[name] = values
    if not found:
        places = ", ".join(map(str, directories[0]))
        raise ValueError(f"metrics: none of {', '.join(metrics.values())} is in the results of {places}")
    return found


def measured_arms(
    trials: Trials, metrics: Mapping[str, str | Sequence[str]]
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Arm → learning rate → metric → value of each seed; "" for the rate of the stages."""
    measured: dict[str, dict[str, dict[str, list[float]]]] = {}
    for trial in trials:
        rate = "" if trial.rate is None else f"{trial.rate:g}"
        cell = measured.setdefault(trial.arm, {}).setdefault(rate, {name: [] for name in metrics})
        for name, places in metrics.items():
            first, *rest = [
                _number(name, place, trial, trials) for place in ([places] if isinstance(places, str) else places)
            ]
            cell[name].append(first - sum(rest))
    return measured


def _number(name: str, place: str, trial: Trial, trials: Trials) -> float:
    stage, _, inside = place.partition(".")
    directory = trials.directory(stage, trial)
    result = read_manifest(directory)["result"]
    if (value := value_at(result, inside)) is None:
        last = inside.rpartition(".")[2]
        known = [each for each in numbers_in(result) if each.endswith(last)] or [*numbers_in(result)]
        raise ValueError(
            f"metrics.{name}={place}: the results of {directory} have no number there; they have, for example, "
            f"{', '.join(f'{stage}.{each}' for each in known[:8]) or 'none'}"
        )
    return value


def _curves(directories: Sequence[Path], wanted: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Metric → step → value of each seed, from metrics.csv."""
    curves: dict[str, dict[str, list[float]]] = {name: {} for name in wanted}
    for directory in directories:
        for row in read_table(directory / "metrics.csv").rows:
            for name in wanted:
                if row.get(name):
                    curves[name].setdefault(row["step"], []).append(float(row[name]))
    return curves
