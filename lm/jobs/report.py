"""Write the page of a finished or interrupted run, or one page that shows several runs side by side."""

from collections.abc import Sequence
from glob import glob
from pathlib import Path

from lm.bounds import Positive
from lm.directory.layout import MANIFEST, REPORT
from lm.files import write_atomically
from lm.progress import Console
from lm.report.run import comparison_page, run_page
from lm.report.run.facts import RunFacts
from lm.report.sparkline import sparkline
from lm.report.table import Column, text_table

SHOWN = ("train/loss", "validation/loss", "validation/bits_per_byte")  # in the terminal
COMPARISON = "comparison.html"


def report(
    path: str | None = None, compare: str | Sequence[str] = (), output: str | None = None, price: Positive | None = None
) -> Path:
    """Write the page, print where it is, and the curves in a line each.

    Args:
        path: Directory of a run, finished or not; null where several are compared.
        compare: Directories of runs, or patterns of them; those that differ in nothing but the seed are averaged.
        output: File to write. null is report.html in the directory of the run, or comparison.html beside the first of
            several.
        price: Price of an hour of a device, in any currency, for an estimate of cost on the page of a run; null for the
            `prices.here` of the run, if it has one.

    Returns:
        The file.

    Raises:
        ValueError: Neither or both of `path` and `compare` are given, or a directory is not that of a run.
    """
    console = Console("report")
    compare = [compare] if isinstance(compare, str) else compare
    if bool(path) == bool(compare):
        raise ValueError("set path=outputs/pretrain/default for the page of a run, or compare=[RUN,RUN] for several")
    if path:
        place = _run(path)
        page, file = run_page(place, price=price), place / REPORT
        console.block(_curves(RunFacts(place)))
    else:
        runs = [_run(each) for pattern in compare for each in _matching(pattern)]
        if len(set(runs)) < 2:
            raise ValueError(f"compare={[*compare]} names {len(set(runs))} run: name at least two")
        runs = list(dict.fromkeys(runs))
        page, file = comparison_page(runs), runs[0].parent / COMPARISON
    file = Path(output) if output else file
    write_atomically(file, page)
    console.line(f"→ {file}", before="\n" if path else "")
    return file


def _matching(pattern: str) -> list[str]:
    """The directories of a pattern that are runs; the pattern itself where it is none."""
    if Path(pattern).exists():
        return [pattern]
    return sorted(each for each in glob(pattern) if Path(each, MANIFEST).is_file()) or [pattern]


def _run(path: str) -> Path:
    """The directory of a run; a file in it stands for it."""
    place = Path(path)
    place = place.parent if place.is_file() else place
    if not (place / MANIFEST).is_file():
        known = sorted(each.parent.as_posix() for each in Path("outputs").glob(f"*/*/{MANIFEST}"))[:4]
        remedy = f"write {', '.join(known)}" if known else "lm pipeline makes the first runs"
        raise ValueError(f"{path} is not the directory of a run (no {MANIFEST}): {remedy}")
    return place


def _curves(facts: RunFacts) -> str:
    """A line per metric: its first value, its curve and its last value; empty for runs that did not train."""
    found = [(name, *facts.metrics[name]) for name in SHOWN if name in facts.metrics]
    columns = [
        Column("", "", lambda row: row[0]),
        Column("first", "", lambda row: f"{row[2][0]:.3f}"),
        Column("curve", "", lambda row: sparkline(row[2], width=24)),
        Column("last", "", lambda row: f"{row[2][-1]:.3f}"),
        Column("step", "", lambda row: str(row[1][-1])),
    ]
    return text_table(columns, found) if found else ""
