"""Report a scaling study: table, summary and HTML page."""

from collections.abc import Mapping
from math import log10
from typing import Any

from lm.report.charts import Chart, chart, chart_grid, curve
from lm.report.page import Section
from lm.report.table import Column, html_lines, html_meanings, html_table, scaled, text_table, with_interval

Result = Mapping[str, Any]
POINTS = 40  # of the curve of a law

COLUMNS = [
    Column("depth", "layers of the model, from which the rest follows", lambda rung: f"{rung['depth']}"),
    Column("parameters", "including embeddings", lambda rung: scaled(rung["parameters"])),
    Column("tokens", "of training", lambda rung: scaled(rung["tokens"])),
    Column("FLOPs", "of training, including attention and output", lambda rung: f"{rung['flops']:.2e}"),
    Column("nats/token", "on held-out text", lambda rung: f"{rung['loss']:.3f}"),
    Column(
        "bits/byte",
        "on held-out text, with the 95 % interval over seeds if there are several",
        lambda rung: with_interval({"mean": rung["bits_per_byte"], "half_width": rung["half_width"]}),
    ),
    Column("seconds", "of one training run", lambda rung: f"{rung['seconds']:.0f}"),
]


def scaling_table(study: Result) -> str:
    """Format one line per rung."""
    return text_table(COLUMNS, study["rungs"])


def scaling_verdict(study: Result) -> str:
    """Summarize the law, its interval, and its prediction of the largest rung from the others."""
    line, curve, held_out, count = study["line"], study["curve"], study["held_out"], len(study["rungs"])
    lines = [f"After C FLOPs, bits per byte are {_law(line)}: ten times C saves {1 - 10 ** -line['exponent']:.1%}."]
    if line["exponent"] < 1e-6:
        lines = [f"Bits per byte do not fall with compute ({_law(line)}): check how each rung was trained."]
    if curve:
        lines.append(f"With a floor, fitted to {count} rungs: {_law(curve)}.")
    else:
        lines.append(
            f"{count} rungs do not determine a floor: the line holds in the measured range and is too optimistic far "
            "beyond it."
        )
    error = held_out["predicted"] / held_out["measured"] - 1
    lines.append(
        f"Depth {held_out['depth']} predicted from the others: {held_out['predicted']:.3f}; measured: "
        f"{held_out['measured']:.3f} ({error:+.1%})."
    )
    lines += [
        f"Depth {rung['depth']} ({scaled(rung['parameters'])} parameters, {scaled(rung['tokens'])} tokens, "
        f"{rung['flops']:.2e} FLOPs) would reach about {rung['bits_per_byte']:.3f}."
        for rung in study["ahead"]
    ]
    if study["rungs"][0]["half_width"] is None:
        lines.append("With one seed the random error of the points is unknown: set seeds=3.")
    return "\n".join(lines)


def scaling_sections(study: Result, *, first: int = 0) -> tuple[list[Section], list[Chart]]:
    """The sections of the page of a study, and the chart in them.

    Args:
        study: Its results.
        first: Number of the first chart among those of the page.
    """
    drawn = [_loss_by_compute(study)]
    sections = [
        Section("words", "What came out", html_lines(scaling_verdict(study))),
        Section("compute", "Bits per byte by compute", chart_grid(drawn, first=first)),
        Section("numbers", "Numbers", html_table(COLUMNS, study["rungs"]) + html_meanings(COLUMNS)),
    ]
    return sections, drawn


def _loss_by_compute(study: Result) -> Chart:
    """Bits per byte over FLOPs, the laws half a decade further, and the largest model as the others predict it."""
    rungs, held_out = study["rungs"], study["held_out"]
    compute = [rung["flops"] for rung in rungs]
    start, end = log10(min(compute)), log10(max(compute)) + 0.5
    along = [10 ** (start + (end - start) * step / POINTS) for step in range(POINTS + 1)]
    curves = [curve("measured", compute, [rung["bits_per_byte"] for rung in rungs], dots=True)]
    for name, law in {"power law": study["line"], "power law with a floor": study["curve"]}.items():
        if law:
            heights = [law["floor"] + law["factor"] * flops ** -law["exponent"] for flops in along]
            curves.append(curve(f"{name}, exponent {law['exponent']:.3f}", along, heights))
    label = f"depth {held_out['depth']} predicted from the others"
    curves.append(curve(label, [compute[-1]], [held_out["predicted"]], dots=True))
    return chart("bits per byte of held-out text", "training FLOPs", curves, log_x=10, log_y=True)


def _law(law: Result) -> str:
    """Format a law: `1.2 + 34 × C^−0.12 (95 % interval of the exponent: 0.10 to 0.14)`."""
    floor = f"{law['floor']:.3f} + " if law["floor"] else ""
    interval = "no interval: too few points"
    if law["low"] is not None:
        interval = f"95 % interval of the exponent: {law['low']:.3f} to {law['high']:.3f}"
    return f"{floor}{law['factor']:.3g} × C^−{law['exponent']:.3f} ({interval})"
