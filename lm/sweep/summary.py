"""The outcomes of a sweep, best first: as a table, CSV and JSON."""

import csv
import json
from collections.abc import Sequence
from io import StringIO
from math import isnan
from pathlib import Path

from lm.files import write_atomically
from lm.sweep.job import Outcome


def best_first(outcomes: Sequence[Outcome], *, largest: bool = False) -> list[Outcome]:
    """Outcomes by value, smallest first unless `largest`; then those without a number, pruned ones, failed ones."""

    def place(outcome: Outcome) -> tuple[int, bool, float]:
        number, group = outcome.number, ("complete", "pruned", "failed").index(_status(outcome))
        if number is None or isnan(number):
            return group, True, 0.0
        return group, False, -number if largest else number

    return sorted(outcomes, key=place)


def summary_table(outcomes: Sequence[Outcome], *, largest: bool = False) -> str:
    """One line per job: its value and directory, the step at which it was pruned, or why it failed."""
    rows = [("value", "job")]
    for each in best_first(outcomes, largest=largest):
        number, place = each.number, each.directory or each.name or "–"
        if each.code:
            rows.append(("failed", f"{place}: {next(iter(each.error.splitlines()), '')}"))
        else:
            place += "" if each.pruned_at is None else f": pruned at step {each.pruned_at}"
            rows.append(("–" if number is None else f"{number:.6g}", place))
    width = max(len(value) for value, _ in rows)
    return "\n".join(f"{value:>{width}}  {place}" for value, place in rows)


def write_summary(directory: Path, outcomes: Sequence[Outcome], *, largest: bool = False) -> None:
    """Write summary.json, and summary.csv with a column for each swept key."""
    ordered = best_first(outcomes, largest=largest)
    records = [
        {
            "name": each.name,
            "status": _status(each),
            "value": each.value,
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
    table.writerow(["name", "status", "value", "pruned_at", *keys, "directory", "error"])
    for record, each, chosen in zip(records, ordered, swept, strict=True):
        number = "" if each.number is None else each.number
        cells = [chosen.get(key, "") for key in keys]
        table.writerow(
            [record["name"], record["status"], number, each.pruned_at, *cells, record["directory"], record["error"]]
        )
    write_atomically(directory / "summary.csv", text.getvalue())


def _status(outcome: Outcome) -> str:
    return "failed" if outcome.code else "complete" if outcome.pruned_at is None else "pruned"


def _key_and_value(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key.lstrip("+"), value
