"""The scores of a task as a table."""

from collections.abc import Mapping
from typing import Any

COLUMNS = {"score": 9, "95 % interval": 23, "items": 9, "chance": 9, "constant": 10}  # name → width


def task_table(results: Mapping[str, Any]) -> str:
    """Return a line a metric, then a line a group with the main metric, then what was counted.

    Args:
        results: What `Task` returns.
    """
    metrics, groups = results["metrics"], results["groups"]
    grouped = {results["main"]: groups, **results.get("grouped", {})}
    names = [*metrics, *results.get("overall", ()), *(f"  {each}" for found in groups.values() for each in found)]
    title = results["title"] or "metric"
    width = max(len(title), *map(len, names)) + 2
    lines = [f"{title:<{width}}" + "".join(f"{name:>{size}}" for name, size in COLUMNS.items())]
    for name, found in metrics.items():
        mark = " *" if name == results["main"] and len(metrics) > 1 else ""
        lines.append(_line(f"{name}{mark}", found, width))
    for name, found in results.get("overall", {}).items():
        value, interval = found["value"], found["interval"]
        cells = ["none" if value is None else f"{value:.3f}"]
        cells += ["" if interval is None else f"{interval[0]:.3f} – {interval[1]:.3f}", f"{found['count']:,}"]
        sizes = COLUMNS.values()
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>{size}}" for cell, size in zip(cells, sizes, strict=False)))
    for metric, parts in grouped.items():
        for name, found in parts.items():
            if found:
                mean = sum(each["value"] for each in found.values()) / len(found)
                lines.append(f"{metric} by {name}, mean {_number(mean, _is_share(found))}")
                lines += [_line(f"  {each}", scores, width) for each, scores in found.items()]
    return "\n".join([*lines, *_notes(results), *results.get("notes", ())])


def _line(name: str, found: Mapping[str, Any], width: int) -> str:
    share = _is_share({name: found})
    low, high = found["interval"]
    cells = [
        _number(found["value"], share),
        "" if found.get("units", 2) < 2 else f"{_number(low, share)} – {_number(high, share)}",  # one says nothing
        f"{found['count']:,}",
        "" if found["chance"] is None else f"{found['chance']:.1%}",
        "" if found["majority"] is None else f"{found['majority']:.1%}",
    ]
    return f"{name:<{width}}" + "".join(f"{cell:>{size}}" for cell, size in zip(cells, COLUMNS.values(), strict=True))


def _is_share(found: Mapping[str, Mapping[str, Any]]) -> bool:
    return all(each["share"] for each in found.values())


def _number(value: float, share: bool) -> str:
    return f"{100 * value:.1f}" if share else f"{value:.4g}" if abs(value) < 1e5 else f"{value:.2g}"


def prompt_notes(results: Mapping[str, Any]) -> list[str]:
    """Lines on how prompts were written: the template, and tokens that span their end."""
    notes = []
    if results["template"]:
        notes.append(f"prompts are turns of {results['template'].rpartition('.')[2]}")
    if results["spanning"]:
        notes.append(f"a token spans the join of prompt and answer {results['spanning']} times")
    return notes


def _notes(results: Mapping[str, Any]) -> list[str]:
    """Lines on what the reader should know of how the scores came about."""
    notes = []
    if results["shots"]:
        notes.append(f"{results['shots']} examples before each question")
    notes += prompt_notes(results)
    if results["clusters"]:
        notes.append(f"intervals take account of {results['clusters']} clusters of items")
    if ties := max(each["ties"] for each in results["metrics"].values()):
        notes.append(f"{ties} ties are counted in neither")
    if results["cut"]:
        notes.append(f"{results['cut']} of {results['count']} prompts were cut on the left to fit into the context")
    return notes
