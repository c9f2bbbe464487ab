"""Plots of vocabularies by their size, as SVG inside a page."""

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

Result = dict[str, Any]

# What is drawn, by title; and, where models were trained, what they learned, with its interval.
PANELS: dict[str, Callable[[Result], float]] = {
    "bytes a token": lambda found: found["bytes_per_token"],
    "MFLOP to train on a byte": lambda found: found["flops_per_byte"] / 1e6,
    "share of parameters in tables": lambda found: found["table_share"],
    "share of words that are one token": lambda found: found["words_whole"] or 0.0,
    "share of the vocabulary never used": lambda found: found["never_seen"],
    "Rényi efficiency": lambda found: found["renyi_efficiency"],
}
LEARNED = {"bits per byte after equal text": "bytes", "bits per byte after equal FLOPs": "flops"}


def plots(results: Sequence[Result]) -> str:
    """Panels over vocabulary size, a line a family; words in their place where matplotlib is not installed."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return "<p>(For plots: <code>pip install 'lm[plot]'</code>, then the same command with run.restart=true.)</p>"
    trained = "learned" in results[0]
    figure = Figure(figsize=(13, 10.5 if trained else 7), layout="constrained")
    panels = list(figure.subplots(3 if trained else 2, 3).flat)
    for title, value in PANELS.items():
        axes = panels.pop(0)
        _draw(axes, title, results, lambda found, value=value: (value(found), 0.0))
        axes.set_ylim(bottom=0)
    for title, equal in LEARNED.items() if trained else ():
        _draw(panels.pop(0), title, results, lambda found, equal=equal: _interval(found["learned"][equal]))
    for unused in panels:
        unused.remove()
    families = {found["family"] for found in results}
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(8, len(families)))
    drawn = StringIO()
    with rc_context({"svg.hashsalt": "lm"}):  # the same numbers give the same page
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]


def _draw(axes: Any, title: str, results: Sequence[Result], value: Callable[[Result], tuple[float, float]]) -> None:
    """A panel of values, each with the half width of its interval."""
    for family in dict.fromkeys(found["family"] for found in results):
        points = sorted((found["vocab_size"], *value(found)) for found in results if found["family"] == family)
        sizes, middles, widths = zip(*points, strict=True)
        axes.errorbar(
            sizes, middles, widths if any(widths) else None, marker="o", markersize=4, capsize=3, label=family
        )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("tokens in the vocabulary")
    axes.grid(alpha=0.3)


def _interval(learned: dict[str, Any]) -> tuple[float, float]:
    return learned["mean"], learned["half_width"] or 0.0
