"""The evaluations of a run: scores with their intervals and baselines, curves, and the table of the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from lm.report.charts import Chart, chart, chart_grid, curve
from lm.report.ranges import Range, range_rows
from lm.report.run.facts import RunFacts
from lm.report.table import counted

MOST = 40  # rows of a plot; the table below it has all
# What the interval beside it is of, in the order in which it is looked for.
CENTRES = ("value", "word_for_word", "accuracy", "gain", "pass_greedy", "bits_per_byte", "mean")
SHARES = {"word_for_word", "accuracy", "pass_greedy"}
BASELINES = {"chance": "chance", "majority": "constant answer"}
TITLES = {
    "bits_per_byte": "bits per byte",
    "gain": "nats that are gained by having read the tokens before",
    "word_for_word": "replies that are right word for word",
    "pass_greedy": "greedy answers that pass",
}
STRUCTURE = {"metrics", "groups", "grouped", "overall", "judges"}  # levels of results that name no group
COMPRESSORS = ("xz", "gzip")


def evaluations(facts: RunFacts, *, first: int) -> tuple[str, list[Chart]]:
    """The plots and the table of each evaluation, and the curves that the script draws.

    Args:
        facts: The run.
        first: Number of the first chart among those of the page.
    """
    parts, drawn = [], []
    for name, text in facts.evaluations.items():
        results = facts.results_of(name)
        plots, mine = plots_of(results), [*curves_of(results)]
        figures = chart_grid(mine, first=first + len(drawn))
        table = f"<pre tabindex='0'>{escape(text)}</pre>"
        folded = f"<details><summary>table</summary>{table}</details>" if plots or mine else table
        parts.append(f"<h3>{escape(name)}</h3>{plots}{figures}{folded}")
        drawn += mine
    return "".join(parts), drawn


def plots_of(results: Mapping[str, Any]) -> str:
    """A plot for each group of numbers that share an axis, under its heading."""
    return "".join(_plot(title, rows, share=share) for (title, share), rows in score_groups(results).items())


def _plot(title: str, rows: Sequence[Range], *, share: bool) -> str:
    heading = "" if [row.name for row in rows] == [title] else f"<h4>{escape(title)}</h4>"
    more = len(rows) - MOST
    note = f"<p class='quiet'>{counted(more, 'more row')} in the table.</p>" if more > 0 else ""
    return f"{heading}{range_rows(rows[:MOST], share=share)}{note}"


def score_groups(results: Mapping[str, Any]) -> dict[tuple[str, bool], list[Range]]:
    """The numbers that have intervals or baselines, by the title of their axis and whether they are shares.

    A group of one that repeats a number, as the only kind of a text repeats all of it, is left out.
    """
    found: dict[tuple[str, bool], list[Range]] = {}
    for path, quantity, share, row in _scores(results, ()):
        title = TITLES.get(quantity, quantity) if quantity != "value" else "scores" if share else row.name
        title = f"{title}, by {' '.join(path)}" if path else title
        found.setdefault((title.replace("_", " "), share), []).append(row)
    seen: set[tuple[float, float | None]] = set()
    kept = {}
    for title, rows in found.items():
        numbers = {(row.value, row.low) for row in rows}
        if len(rows) > 1 or not numbers <= seen:
            kept[title] = rows
        seen |= numbers
    return kept


def _scores(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, bool, Range]]:
    """Each number with the path to its group, what it is of and whether it is a share."""
    for name, found in node.items():
        if not isinstance(found, Mapping):
            continue
        if found.get("model") is not None and all(_is_number(found.get(each)) for each in ("model", *COMPRESSORS)):
            marks = {each: float(found[each]) for each in COMPRESSORS}
            yield path, "bits_per_byte", False, Range(_words(name), float(found["model"]), marks=marks)
        elif (quantity := _centre(found)) is not None:
            yield _group(path), quantity, _is_share(quantity, found), _range(_words(name), quantity, found)
        else:
            yield from _scores(found, (*path, str(name)))


def _words(name: Any) -> str:
    return str(name).replace("_", " ") or "unknown"


def _group(path: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for part in path if part not in STRUCTURE)


def _range(name: str, quantity: str, found: Mapping[str, Any]) -> Range:
    low, high = _interval(found)
    marks = {label: float(found[key]) for key, label in BASELINES.items() if _is_number(found.get(key))}
    if found.get("units", 2) < 2:  # one item says nothing
        low = high = None
    return Range(name, float(found[quantity]), low, high, marks)


def _centre(found: Mapping[str, Any]) -> str | None:
    """The number that an interval is of: the first usual one that lies within it; None without an interval."""
    low, high = _interval(found)
    if low is None:
        return None
    inside = (name for name in CENTRES if _is_number(found.get(name)) and low - 1e-9 <= found[name] <= high + 1e-9)
    return next(inside, None)


def _interval(found: Mapping[str, Any]) -> tuple[float | None, float | None]:
    ends = found.get("interval", found.get("greedy_interval"))
    known = isinstance(ends, Sequence) and len(ends) == 2 and all(map(_is_number, ends))
    return (float(ends[0]), float(ends[1])) if known else (None, None)


def _is_share(quantity: str, found: Mapping[str, Any]) -> bool:
    return bool(found["share"]) if "share" in found else quantity in SHARES or _is_number(found.get("chance"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def curves_of(results: Mapping[str, Any]) -> Iterator[Chart]:
    """Curves over something else than steps: how sure the model is and how often right, and loss by position."""
    bins = (results.get("calibration") or {}).get("bins") or []
    if bins:
        sure, right = [each["confidence"] for each in bins], [each["accuracy"] for each in bins]
        perfect = curve("perfect", [0.0, 1.0], [0.0, 1.0], reference=True)
        axis = "confidence of the next token"
        yield chart("calibration: share right by confidence", axis, [perfect, curve("measured", sure, right)])
    places = results.get("position") or []
    if places:
        measured = curve("measured", [each["from"] for each in places], [each["nats"] for each in places])
        yield chart("loss by position (nats per token)", "tokens before it", [measured], log_x=10)
