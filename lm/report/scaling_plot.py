"""The loss of a family of models over compute, with the law through it, as SVG inside a page."""

from collections.abc import Mapping
from io import StringIO
from math import log10
from typing import Any


def scaling_plot(found: Mapping[str, Any]) -> str:
    """Points with their intervals, and the laws half a decade beyond them; words where matplotlib is not installed."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return "<p>(For a plot: <code>pip install 'lm[plot]'</code>, then the same command with run.restart=true.)</p>"
    rungs, held_out = found["rungs"], found["held_out"]
    compute = [rung["flops"] for rung in rungs]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    widths = [rung["half_width"] or 0.0 for rung in rungs]
    axes.errorbar(compute, [rung["bits_per_byte"] for rung in rungs], widths, fmt="o", capsize=3, label="measured")
    first, last = log10(min(compute)), log10(max(compute)) + 0.5
    along = [10 ** (first + (last - first) * step / 100) for step in range(101)]
    for name, law in {"power law": found["line"], "power law with a floor": found["curve"]}.items():
        if law:
            heights = [law["floor"] + law["factor"] * each ** -law["exponent"] for each in along]
            axes.plot(along, heights, label=f"{name}, exponent {law['exponent']:.3f}")
    label = f"depth {held_out['depth']} foretold from the others"
    axes.plot(compute[-1], held_out["predicted"], "x", color="black", label=label)
    for rung in rungs:
        axes.annotate(f"{rung['depth']}", (rung["flops"], rung["bits_per_byte"]), (5, 5), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:.2g}")
    axes.yaxis.set_minor_formatter("{x:.2g}")
    axes.set_xlabel("FLOPs of the training; the numbers are depths")
    axes.set_ylabel("bits per byte of held-out text")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    drawn = StringIO()
    with rc_context({"svg.hashsalt": "lm"}):  # the same numbers give the same page
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]
