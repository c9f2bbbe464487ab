"""The outcomes of a sweep, best first: as a table, CSV and JSON."""

import csv
import json
from collections.abc import Sequence
from io import StringIO
from math import isnan
from pathlib import Path

from lm.files import write_atomically
from lm.sweep.job import Outcome
from lm.sweep.metric import DIRECTIONS, Direction


def best_first(outcomes: Sequence[Outcome], *, direction: Direction | None = None) -> list[Outcome]:
    """Outcomes by value, the best first; then those without a number, pruned ones, failed ones.

    Jobs of different metrics do not compare: each metric is ranked by itself.

    Args:
        outcomes: Those of a sweep.
        direction: Which values are the best; None for what each job says of its metric.
    """
    metrics = _metrics(outcomes)

    def place(outcome: Outcome) -> tuple[int, bool, int, float]:
        number, group = outcome.number, ("complete", "pruned", "failed").index(_status(outcome))
        if number is None or isnan(number):
            return group, True, 0, 0.0
        largest = _direction(outcome, direction) == "maximize"
        return group, False, metrics.index(outcome.metric), -number if largest else number

    return sorted(outcomes, key=place)


def ranking(outcomes: Sequence[Outcome], *, direction: Direction | None = None) -> str:
    """By which metrics the jobs are ranked, as words after their number; empty if no job names its metric."""
    named = {each.metric: _direction(each, direction) for each in outcomes if each.metric and each.number is not None}
    order = {"minimize": "lowest", "maximize": "highest"}
    words = ", then ".join(f"by {name}, {order[each]} first" for name, each in named.items())
    apart = "; different metrics do not compare" if len(_metrics(outcomes)) > 1 else ""
    return f" {words}{apart}" if words else ""


def summary_table(outcomes: Sequence[Outcome], *, direction: Direction | None = None) -> str:
    """One line per job: its value and directory, the step at which it was pruned, or why it failed."""
    rows = [("value", "job")]
    for each in best_first(outcomes, direction=direction):
        number, place = each.number, each.directory or each.name or "–"
        if each.code:
            rows.append(("failed", f"{place}: {next(iter(each.error.splitlines()), '')}"))
        else:
            place += "" if each.pruned_at is None else f": pruned at step {each.pruned_at}"
            rows.append(("–" if number is None else f"{number:.6g}", place))
    width = max(len(value) for value, _ in rows)
    return "\n".join(f"{value:>{width}}  {place}" for value, place in rows)


def write_summary(directory: Path, outcomes: Sequence[Outcome], *, direction: Direction | None = None) -> None:
    """Write summary.json, and summary.csv with a column for each swept key."""
    ordered = best_first(outcomes, direction=direction)
    records = [
        {
            "name": each.name,
            "status": _status(each),
            "value": each.value,
            "metric": each.metric,
            "mode": each.mode,
            "pruned_at": each.pruned_at,
            "overrides": each.overrides,
            "directory": each.directory,
            "error": each.error,
        }
        for each in ordered
    ]
    write_atomically(directory / "summary.json", json.dumps(records, indent=2, ensure_ascii=False, default=str) + "\n")
    swept = [dict(_key_and_value(text) for text in each.overrides) for each in ordered]
    keys = list(dict.fromkeys(key for chosen in swept for key in chosen))
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["name", "status", "value", "pruned_at", *keys, "directory", "error", "metric"])
    for record, each, chosen in zip(records, ordered, swept, strict=True):
        number = "" if each.number is None else each.number
        cells = [chosen.get(key, "") for key in keys]
        table.writerow(
            [each.name, record["status"], number, each.pruned_at, *cells, each.directory, each.error, each.metric]
        )
    write_atomically(directory / "summary.csv", text.getvalue())


def _metrics(outcomes: Sequence[Outcome]) -> list[str]:
    """Names of the metrics of jobs that returned a number, in order."""
    return [*dict.fromkeys(each.metric for each in outcomes if each.number is not None)]


def _direction(outcome: Outcome, direction: Direction | None) -> Direction:
    return direction or DIRECTIONS[outcome.mode]


def _status(outcome: Outcome) -> str:
    return "failed" if outcome.code else "complete" if outcome.pruned_at is None else "pruned"


def _key_and_value(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key.lstrip("+"), value
