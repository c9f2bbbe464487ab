"""Plots as SVG: vocabularies by size, loss over compute with its power law, and recipes by metric."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from io import StringIO
from math import log10
from typing import Any

from lm.process.distribution import install_command

Result = Mapping[str, Any]

# Panels by title, and those of bits per byte where models were trained.
PANELS: dict[str, Callable[[Result], float]] = {
    "bytes per token": lambda result: result["bytes_per_token"],
    "training MFLOPs per byte": lambda result: result["flops_per_byte"] / 1e6,
    "share of parameters in embedding tables": lambda result: result["table_share"],
    "share of words that are one token": lambda result: result["words_whole"] or 0.0,
    "share of the vocabulary never used": lambda result: result["never_seen"],
    "Rényi efficiency": lambda result: result["renyi_efficiency"],
}
TRIALS = {"bits per byte after equal text": "bytes", "bits per byte after equal FLOPs": "flops"}


def vocabulary_plots(results: Sequence[Result]) -> str:
    """Plot panels over vocabulary size, one line per family; a note if matplotlib is not installed."""
    trained = "learned" in results[0]
    figure = _make_figure(13, 10.5 if trained else 7)
    if figure is None:
        return _no_matplotlib()
    panels = list(figure.subplots(3 if trained else 2, 3).flat)
    for title, value in PANELS.items():
        axes = panels.pop(0)
        _plot_families(axes, title, results, lambda result, value=value: (value(result), 0.0))
        axes.set_ylim(bottom=0)
    for title, equal in TRIALS.items() if trained else ():
        _plot_families(panels.pop(0), title, results, lambda result, equal=equal: _interval(result["learned"][equal]))
    for unused in panels:
        unused.remove()
    families = {result["family"] for result in results}
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(8, len(families)))
    return _svg(figure)


def _plot_families(
    axes: Any, title: str, results: Sequence[Result], value: Callable[[Result], tuple[float, float]]
) -> None:
    """Plot values (mean, half width of the interval) of each family over vocabulary size."""
    for family in dict.fromkeys(result["family"] for result in results):
        points = sorted((result["vocab_size"], *value(result)) for result in results if result["family"] == family)
        sizes, means, widths = zip(*points, strict=True)
        axes.errorbar(sizes, means, widths if any(widths) else None, marker="o", markersize=4, capsize=3, label=family)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("tokens in the vocabulary")
    axes.grid(alpha=0.3)


def scaling_plot(study: Result) -> str:
    """Plot bits per byte over FLOPs with intervals, and the laws half a decade further; a note without matplotlib."""
    figure = _make_figure(8, 5)
    if figure is None:
        return _no_matplotlib()
    rungs, held_out = study["rungs"], study["held_out"]
    compute = [rung["flops"] for rung in rungs]
    axes = figure.subplots()
    widths = [rung["half_width"] or 0.0 for rung in rungs]
    axes.errorbar(compute, [rung["bits_per_byte"] for rung in rungs], widths, fmt="o", capsize=3, label="measured")
    first, last = log10(min(compute)), log10(max(compute)) + 0.5
    along = [10 ** (first + (last - first) * step / 100) for step in range(101)]
    for name, law in {"power law": study["line"], "power law with a floor": study["curve"]}.items():
        if law:
            heights = [law["floor"] + law["factor"] * flops ** -law["exponent"] for flops in along]
            axes.plot(along, heights, label=f"{name}, exponent {law['exponent']:.3f}")
    label = f"depth {held_out['depth']} predicted from the others"
    axes.plot(compute[-1], held_out["predicted"], "x", color="black", label=label)
    for rung in rungs:
        place = (rung["flops"], rung["bits_per_byte"])
        axes.annotate(f"{rung['depth']}", place, (5, 5), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:.2g}")
    axes.yaxis.set_minor_formatter("{x:.2g}")
    axes.set_xlabel("training FLOPs; the numbers are depths")
    axes.set_ylabel("bits per byte of held-out text")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return _svg(figure)


def impact_plots(result: Result) -> str:
    """Plot a panel per metric over the recipes: a line per learning rate, and the best of each; a note if impossible.

    Bars are 95 % intervals over the seeds.
    """
    metrics = [*result["best"]["metrics"]]
    across = min(3, len(metrics))
    down = -(-len(metrics) // across)
    figure = _make_figure(4.6 * across, 3.4 * down + 0.5)
    if figure is None:
        return _no_matplotlib()
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for name in metrics:
        axes = panels.pop(0)
        for rate in result["rates"] if len(result["rates"]) > 1 else []:
            _plot_arms(axes, result["single"][rate]["metrics"].get(name, {}), alpha=0.7, label=f"rate {rate}")
        label = "best rate of each" if len(result["rates"]) > 1 else ""
        _plot_arms(axes, result["best"]["metrics"][name], color="black", linewidth=2, label=label)
        axes.set_title(name, fontsize=10)
        axes.tick_params(axis="x", rotation=30, labelsize=8)
        axes.grid(alpha=0.3)
    for unused in panels:
        unused.remove()
    handles = axes.get_legend_handles_labels()
    if handles[0] and len(result["rates"]) > 1:
        figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]))
    return _svg(figure)


def _plot_arms(axes: Any, row: Mapping[str, Result], **style: Any) -> None:
    if row:
        means, widths = zip(*map(_interval, row.values()), strict=True)
        axes.errorbar([*row], means, widths if any(widths) else None, marker="o", markersize=4, capsize=3, **style)


def _make_figure(width: float, height: float) -> Any | None:
    """Return an empty figure (inches), or None if matplotlib is not installed."""
    try:
        from matplotlib import figure
    except ImportError:
        return None
    return figure.Figure(figsize=(width, height), layout="constrained")


def _no_matplotlib() -> str:
    command = f"<code>{escape(install_command('plot'), quote=False)}</code>"
    return f"<p>(For plots: {command}, then the same command with run.restart=true.)</p>"


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    file = StringIO()
    with rc_context({"svg.hashsalt": "lm"}):  # equal numbers give an equal page
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg") :]


def _interval(trial: Result) -> tuple[float, float]:
    return trial["mean"], trial["half_width"] or 0.0
