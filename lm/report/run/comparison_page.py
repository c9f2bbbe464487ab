"""Several runs beside each other: their curves, their results, and the settings in which they differ."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from lm.directory.layout import MANIFEST
from lm.directory.manifest import config_changes
from lm.files import write_atomically
from lm.report.page import Section, sectioned
from lm.report.run.curves import place_of, rounded, thinned, tokens_per_step
from lm.report.run.facts import Points, RunFacts
from lm.report.run.sections import chart_places
from lm.report.statistics import confidence_interval
from lm.report.table import Column, html_table, with_interval

ABSENT = "—"
SWEEP_PAGE = "summary.html"
AXES = {"train/tokens"}  # what grows with the step and nothing else


def comparison_page(directories: Sequence[str | Path]) -> str:
    """Return one page of the runs in `directories`.

    Runs that differ in nothing but their seed are a group: its curves are the mean over the runs, with a band from the
    lowest to the highest, and its results have a 95 % interval.

    Raises:
        FileNotFoundError: A directory is not that of a run.
    """
    runs = [RunFacts(Path(directory)) for directory in directories]
    groups = grouped(runs)
    drawn = _overlaid(groups)
    tokens = {tokens_per_step(run.metrics) for run in runs}
    per_step = tokens.pop() if len(tokens) == 1 else None
    parts = [
        Section("settings", "Settings that differ", settings_table(groups)),
        Section("results", "Results", results_table(groups)),
        Section("curves", "Curves", chart_places(drawn, tokens=per_step)),
    ]
    title = f"{len(runs)} runs"
    heading = f'<p class="quiet">lm report</p><h1>{title}</h1><p>{escape(", ".join(run.title for run in runs))}</p>'
    data = {"charts": drawn, "tokens_per_step": per_step, "samples": []} if drawn else None
    return sectioned(title, heading, parts, data=data)


def write_sweep_page(directory: Path, runs: Sequence[str]) -> None:
    """Write the page of the runs of a sweep beside its summary; none where fewer than two have started."""
    started = [run for run in dict.fromkeys(runs) if run and Path(run, MANIFEST).is_file()]
    if len(started) > 1:
        write_atomically(directory / SWEEP_PAGE, comparison_page(started))


def grouped(runs: Sequence[RunFacts]) -> dict[str, list[RunFacts]]:
    """Return the runs by the title of the first of each group; those of a group differ in their seed alone."""
    groups: dict[str, list[RunFacts]] = {}
    configs: dict[str, dict] = {}
    for run in runs:
        config = {**run.manifest["config"], "seed": None, "_job": run.manifest.get("job")}
        same = (name for name, other in configs.items() if not config_changes(other, config))
        name = next(same, run.title)
        configs.setdefault(name, config)
        groups.setdefault(name, []).append(run)
    return {f"{name} ({len(of)} seeds)" if len(of) > 1 else name: of for name, of in groups.items()}


def settings_table(groups: Mapping[str, Sequence[RunFacts]]) -> str:
    """A row per key in which the groups differ, and a column per group."""
    if len(groups) < 2:
        return "<p>The runs differ in their seed alone.</p>"
    first, *others = (of[0].manifest["config"] for of in groups.values())
    keys = sorted({key for other in others for key in config_changes(first, other)} - {"seed"})
    columns = [Column("key", "", lambda key: key)]
    for name, of in groups.items():
        columns.append(Column(name, "", lambda key, config=of[0].manifest["config"]: _at(config, key)))
    return html_table(columns, keys, text=tuple(range(len(columns)))) if keys else "<p>No setting differs.</p>"


def results_table(groups: Mapping[str, Sequence[RunFacts]]) -> str:
    """A row per number that the runs have recorded, and a column per group: mean and 95 % interval over its seeds."""
    numbers = {name: _numbers(of) for name, of in groups.items()}
    rows = list(dict.fromkeys(number for found in numbers.values() for number in found))
    columns = [Column("result", "", lambda row: row)]
    for name in groups:
        columns.append(Column(name, "", lambda row, found=numbers[name]: found.get(row, ABSENT)))
    return html_table(columns, rows) if rows else ""


def _numbers(runs: Sequence[RunFacts]) -> dict[str, str]:
    """Each number that all runs of a group have recorded, as text."""
    shared = [name for name in runs[0].result if all(_is_number(run.result.get(name)) for run in runs)]
    return {name: _value([run.result[name] for run in runs]) for name in shared}


def _value(values: Sequence[float]) -> str:
    if all(isinstance(value, int) for value in values) and len({*values}) == 1:
        return f"{values[0]:,}"
    return with_interval(confidence_interval([float(value) for value in values]), 4)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _overlaid(groups: Mapping[str, Sequence[RunFacts]]) -> list[dict[str, Any]]:
    """A chart per metric with a curve per group, in the order of a run's own charts."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group, runs in groups.items():
        for name in runs[0].metrics:
            if name not in AXES and all(name in run.metrics for run in runs):
                found.setdefault(name, []).append(_mean_curve(group, [run.metrics[name] for run in runs]))
    order = sorted(found, key=lambda name: place_of(name.split("/")[1] if "/" in name else name))
    return [{"title": name.replace("_", " "), "noisy": True, "curves": found[name]} for name in order]


def _mean_curve(group: str, curves: Sequence[Points]) -> dict[str, Any]:
    """The mean of several curves at the steps that all have, with the lowest and the highest if there are several."""
    at_step = [dict(zip(*points, strict=True)) for points in curves]
    steps = [step for step in at_step[0] if all(step in values for values in at_step)]
    rows = [[values[step] for values in at_step] for step in steps]
    mean = [sum(row) / len(row) for row in rows]
    kept = thinned(steps, mean)
    found = {"label": group, "steps": [steps[at] for at in kept], "values": [rounded(mean[at]) for at in kept]}
    if len(curves) == 1:
        return found
    return found | {
        "low": [rounded(min(rows[at])) for at in kept],
        "high": [rounded(max(rows[at])) for at in kept],
    }


def _at(config: Any, key: str) -> str:
    """The value at a dotted key as JSON; — where it is absent. A key may contain dots itself."""
    names = key.split(".")
    for end in range(len(names), 0, -1):
        found = config.get(".".join(names[:end]), ABSENT) if isinstance(config, Mapping) else ABSENT
        if found is not ABSENT:
            return json.dumps(found, ensure_ascii=False) if end == len(names) else _at(found, ".".join(names[end:]))
    return ABSENT
