"""Compare what the stages of a study measured, over its seeds: a table, and a verdict on each expectation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from lm.report.charts import Chart, chart, chart_grid, mean_curve
from lm.report.page import Section
from lm.report.ranges import interval_range, range_rows
from lm.report.statistics import confidence_interval
from lm.report.table import Column, html_lines, html_table, text_table, with_interval

DIRECTIONS = {"higher": 1, "lower": -1}
Measured = Mapping[str, Mapping[str, Sequence[float]]]  # column → metric → value of each seed


def value_at(results: Mapping[str, Any], path: str) -> float | None:
    """Return the number at a dotted path; None if it is not there.

    A key may contain dots or slashes itself: at each level the longest that fits is taken. In a list the key is a
    number, from 0.
    """
    if path in results:
        found = results[path]
        return float(found) if isinstance(found, int | float) else None
    names = path.split(".")
    for end in range(len(names) - 1, 0, -1):
        inner = _keyed(results.get(".".join(names[:end])))
        if isinstance(inner, Mapping) and (found := value_at(inner, ".".join(names[end:]))) is not None:
            return found
    return None


def numbers_in(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the path of every number, as `value_at` takes it."""
    for key, value in results.items():
        if isinstance(value, int | float):
            yield str(key)
        elif isinstance(inner := _keyed(value), Mapping):
            yield from (f"{key}.{path}" for path in numbers_in(inner))


def _keyed(value: Any) -> Any:
    """A list as a mapping from its places."""
    return {f"{place}": each for place, each in enumerate(value)} if isinstance(value, list) else value


def compare(measured: Measured, expected: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the mean of each metric in each column, and its difference from the first column, with 95 % intervals.

    Intervals are Student's t over the seeds; differences are paired by seed.

    Args:
        measured: Values by column, metric and seed; the first column is what the others are compared with. A column
            may lack metrics.
        expected: Column → metric → higher or lower, stated before the run.

    Returns:
        Plain data: columns, metrics and verdicts.
    """
    first, *others = measured
    metrics: dict[str, dict[str, Any]] = {}
    for column, values in measured.items():
        for name, seeds in values.items():
            metrics.setdefault(name, {})[column] = confidence_interval(seeds)
    differences = {
        column: {
            name: confidence_interval([b - a for a, b in zip(measured[first][name], seeds, strict=True)])
            for name, seeds in measured[column].items()
            if name in measured[first]
        }
        for column in others
    }
    verdicts = [
        {"column": column, "metric": name, "expected": direction, **_verdict(differences[column].get(name), direction)}
        for column, directions in expected.items()
        for name, direction in directions.items()
    ]
    return {"columns": [*measured], "metrics": metrics, "differences": differences, "verdicts": verdicts}


def _verdict(difference: Mapping[str, Any] | None, direction: str) -> dict[str, Any]:
    """Whether a difference is as expected: its interval over the seeds excludes 0, on the expected side."""
    if difference is None:
        return {"outcome": "not measured", "seeds": 0, "of": 0}
    sign, mean, half = DIRECTIONS[direction], difference["mean"], difference["half_width"]
    seeds = sum(sign * value > 0 for value in difference["values"])
    clear = half is not None and abs(mean) > half
    outcome = "as expected" if sign * mean > 0 else "the opposite"
    outcome = "one seed says nothing" if half is None else outcome if clear else "no clear effect"
    return {"outcome": outcome, "seeds": seeds, "of": len(difference["values"])}


def comparison_table(result: Mapping[str, Any]) -> str:
    """Format a row per metric and a column per group of stages, and the verdict on each expectation."""
    columns = [Column("", "metric", lambda name: name)]
    for column in result["columns"]:
        columns.append(Column(column, "", lambda name, column=column: _cell(result["metrics"][name], column)))
    lines = [text_table(columns, [*result["metrics"]])]
    seeds = max(len(cell["values"]) for row in result["metrics"].values() for cell in row.values())
    lines.append(f"± is the 95 % interval of the mean over {seeds} seeds" if seeds > 1 else "one seed: no interval")
    return "\n".join([*lines, *([""] if result["verdicts"] else []), *map(_line_of(result), result["verdicts"])])


def _cell(row: Mapping[str, Mapping[str, Any]], column: str) -> str:
    """A mean with its interval, in as many digits as the largest of the row; empty where it was not measured."""
    return with_interval(row[column], _digits(*(cell["mean"] for cell in row.values()))) if column in row else ""


def _digits(*numbers: float) -> int:
    return 1 if max(map(abs, numbers)) >= 10 else 3


def _line_of(result: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], str]:
    first = result["columns"][0]

    def line(verdict: Mapping[str, Any]) -> str:
        claim = f"{verdict['metric']} {verdict['expected']} in {verdict['column']} than in {first}"
        difference = result["differences"][verdict["column"]].get(verdict["metric"])
        if difference is None:
            return f"{verdict['outcome']}: {claim}"
        change = with_interval(difference, _digits(difference["mean"]), signed=True)
        return f"{verdict['outcome']}: {claim}: {change}, in {verdict['seeds']} of {verdict['of']} seeds"

    return line


def comparison_sections(result: Mapping[str, Any], *, first: int = 0) -> tuple[list[Section], list[Chart]]:
    """The sections of the page of a study without recipes, and the charts in them.

    Args:
        result: What `compare` returns, with `curves`: stage → metric → step → value of each seed.
        first: Number of the first chart among those of the page.
    """
    rows = result["metrics"]
    plots = "".join(
        f"<h3>{escape(name)}</h3>{range_rows([interval_range(column, cell) for column, cell in row.items()])}"
        for name, row in rows.items()
    )
    drawn = [
        chart(f"{name.replace('_', ' ')} of {stage}", "step", [_over_steps(stage, seeds)])
        for stage, metrics in result.get("curves", {}).items()
        for name, seeds in metrics.items()
        if seeds
    ]
    columns = [Column("metric", "", lambda name: name)]
    for column in result["columns"]:
        columns.append(Column(column, "", lambda name, column=column: _cell(rows[name], column)))
    sections = [
        Section("words", "What came out", html_lines("\n".join(map(_line_of(result), result["verdicts"])))),
        Section("stages", "Stages", plots),
        Section("steps", "Over the steps", chart_grid(drawn, first=first)),
        Section("numbers", "Numbers", html_table(columns, [*rows])),
    ]
    return sections, drawn


def _over_steps(stage: str, seeds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    steps = sorted(seeds, key=int)
    return mean_curve(stage, [int(step) for step in steps], [seeds[step] for step in steps])


def curve_table(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Format metrics over the steps of a stage: a row per step, the mean over the seeds.

    Args:
        curves: Metric → step, as a text → value of each seed.
    """
    steps = sorted({step for values in curves.values() for step in values}, key=int)
    columns = [Column("step", "", str)]
    for name, values in curves.items():
        columns.append(
            Column(name, "", lambda step, values=values: f"{_mean(values[step]):.3f}" if step in values else "")
        )
    return text_table(columns, steps)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
