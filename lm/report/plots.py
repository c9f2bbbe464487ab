"""Plots of vocabularies by their size, as SVG inside a page."""

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

PANELS: list[tuple[str, Callable[[dict[str, Any]], float]]] = [
    ("bytes a token", lambda found: found["bytes_per_token"]),
    ("MFLOP to train on a byte", lambda found: found["flops_per_byte"] / 1e6),
    ("share of parameters in tables", lambda found: found["table_share"]),
    ("share of words that are one token", lambda found: found["words_whole"] or 0.0),
    ("share of the vocabulary never used", lambda found: found["never_seen"]),
    ("Rényi efficiency", lambda found: found["renyi_efficiency"]),
]


def plots(results: Sequence[dict[str, Any]]) -> str:
    """Six panels over vocabulary size, a line a family; words in their place where matplotlib is not installed."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return "<p>(For plots: <code>pip install 'lm[plot]'</code>, then the same command with run.restart=true.)</p>"
    families = list(dict.fromkeys(found["family"] for found in results))
    figure = Figure(figsize=(13, 7), layout="constrained")
    for axes, (title, value) in zip(figure.subplots(2, 3).flat, PANELS, strict=True):
        for family in families:
            points = sorted((found["vocab_size"], value(found)) for found in results if found["family"] == family)
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=family)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("tokens in the vocabulary")
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(8, len(families)))
    drawn = StringIO()
    with rc_context({"svg.hashsalt": "lm"}):  # the same numbers give the same page
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]
