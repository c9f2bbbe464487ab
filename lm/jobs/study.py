"""Run a sequence of jobs once for each seed, and compare what they measured with what was expected."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from lm.bounds import Natural
from lm.callbacks.metrics_file import read_table
from lm.files import write_atomically
from lm.report import compare, comparison_table, curve_table, value_at
from lm.run import Run
from lm.run.manifest import read_manifest

SEED = "{seed}"


def study(
    run: Run,
    stages: dict[str, Callable[..., Any]],
    columns: dict[str, list[str]],
    metrics: dict[str, str],
    root: str,
    expected: dict[str, dict[str, Literal["higher", "lower"]]] | None = None,
    curves: dict[str, list[str]] | None = None,
    files: dict[str, str] | None = None,
    seeds: Sequence[Natural] = (1, 2, 3),
) -> dict[str, Any]:
    """Run every stage for every seed, and print a table of metrics by column, with 95 % intervals over the seeds.

    Each stage is a named run below the directory of this one: the same command again continues where it stopped. In
    the strings of a stage `{seed}` stands for the seed; a stage that has a key `seed` gets it. A stage whose run has
    no `{seed}` in its directory is shared by all seeds.

    Args:
        run: The named run; its directory receives results.json and the runs of all stages.
        stages: Jobs by name, in their order. A later one names the directory of an earlier one, as
            `${root}/instruct/tuned`.
        columns: Columns of the table: name → stages whose recorded results are read. The others are compared with the
            first.
        metrics: Rows of the table: name → place in the results of a stage, such as `rewards.all.pass_greedy`.
        root: Directory of the stages of one seed, with `{seed}` in it.
        expected: What should happen, stated before the run: column → metric → `higher` or `lower` than in the first
            column. A verdict on each is printed. null expects nothing.
        curves: Metrics over the steps of a training: stage → columns of its metrics.csv, such as
            `validation/reward/mean`. null prints none.
        files: Files of your own that the stages of an experiment read, by the names that it gives them. null for none.
        seeds: Seeds of the stages; 3 or more give intervals.

    Returns:
        The content of results.json.

    Raises:
        ValueError: No stages, a name that no stage or column has, or a metric that no stage of a column measured.
    """
    expected, curves = expected or {}, curves or {}
    _check(stages, columns, metrics, expected=expected, curves=curves, seeds=seeds, root=root)
    if run.finished({}):
        result, outcome = run.result, "nothing to do"
    else:
        started = perf_counter()
        for seed in seeds:
            for name, stage in stages.items():
                run.console.block(f"── seed {seed}: {name} ".ljust(80, "─"))
                stage(_changes(run.config["stages"][name], seed, restart=run.restart))
        nodes = run.config["stages"]
        measured = {
            column: _measured([[_directory(nodes[name], seed) for name in names] for seed in seeds], metrics)
            for column, names in columns.items()
        }
        result = compare(measured, expected)
        result["curves"] = {
            name: _curves([_directory(nodes[name], seed) for seed in seeds], wanted) for name, wanted in curves.items()
        }
        result["seeds"] = [*seeds]
        write_atomically(run.directory / "results.json", json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        run.finish(outputs=[run.directory / "results.json"], result=result)
        outcome = f"{len(stages) * len(seeds)} stages in {perf_counter() - started:.0f} s"
    for name, curve in result["curves"].items():
        run.console.block(f"{name}, over its steps", curve_table(curve))
    run.console.block(comparison_table(result))
    run.console.line(f"{outcome} → {run.directory}", before="\n")
    return result


def _check(
    stages: Mapping[str, Any],
    columns: Mapping[str, Sequence[str]],
    metrics: Mapping[str, str],
    *,
    expected: Mapping[str, Mapping[str, str]],
    curves: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    root: str,
) -> None:
    if not stages:
        raise ValueError("stages is empty: choose an experiment, as lm study experiment=parity; --help lists them")
    if not columns or not metrics:
        raise ValueError("columns and metrics say what the table shows: give at least one of each")
    if not seeds or len({*seeds}) < len(seeds):
        raise ValueError(f"seeds={[*seeds]}: give different seeds, at least one, as seeds=[1,2,3]")
    if SEED not in root:
        raise ValueError(f"root={root} is the same for every seed: add {SEED} to it")
    named = [(f"columns.{column}", name) for column, names in columns.items() for name in names]
    for key, name in [*named, *((f"curves.{name}", name) for name in curves)]:
        if name not in stages:
            raise ValueError(f"{key} names {name}, which is no stage: {', '.join(stages)}")
    others = [*columns][1:]
    for column, directions in expected.items():
        if column not in others:
            raise ValueError(f"expected.{column}: no column after the first is named so: {', '.join(others) or 'none'}")
        if unknown := [name for name in directions if name not in metrics]:
            raise ValueError(f"expected.{column} names {unknown[0]}, which is no metric: {', '.join(metrics)}")


def _changes(node: Mapping[str, Any], seed: int, *, restart: bool) -> dict[str, Any]:
    """What the stage of a seed has in place of its config."""
    changes = {key: _with_seed(value, seed) for key, value in node.items() if key != "_target_"}
    if "seed" in node:
        changes["seed"] = seed
    if "run" in node and SEED in node["run"]["root"]:  # a shared stage would be made again for each seed
        changes["run"] = {**changes["run"], "restart": restart}
    return changes


def _with_seed(value: Any, seed: int) -> Any:
    if isinstance(value, dict):
        return {key: _with_seed(each, seed) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_seed(each, seed) for each in value]
    return value.replace(SEED, str(seed)) if isinstance(value, str) else value


def _directory(node: Mapping[str, Any], seed: int) -> Path:
    run = node["run"]
    return Path(run["root"].replace(SEED, str(seed)), run["job"], run["name"].replace(SEED, str(seed)))


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


def _curves(directories: Sequence[Path], wanted: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Metric → step → value of each seed, from metrics.csv."""
    curves: dict[str, dict[str, list[float]]] = {name: {} for name in wanted}
    for directory in directories:
        for row in read_table(directory / "metrics.csv").rows:
            for name in wanted:
                if row.get(name):
                    curves[name].setdefault(row["step"], []).append(float(row[name]))
    return curves
