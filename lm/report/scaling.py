"""Report a scaling study: table, summary and HTML page."""

from collections.abc import Mapping
from typing import Any

from lm.report.page import html_page
from lm.report.plots import scaling_plot
from lm.report.table import Column, html_lines, html_meanings, html_table, scaled, text_table, with_interval

Result = Mapping[str, Any]

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


def scaling_page(study: Result) -> str:
    """Return one HTML page that loads nothing else: summary, plot, table."""
    heading = f"Bits per byte by compute, from {len(study['rungs'])} models"
    table = html_table(COLUMNS, study["rungs"])
    summary = html_lines(scaling_verdict(study))
    return html_page("Scaling", heading, summary, scaling_plot(study), table, html_meanings(COLUMNS))


def _law(law: Result) -> str:
    """Format a law: `1.2 + 34 × C^−0.12 (95 % interval of the exponent: 0.10 to 0.14)`."""
    floor = f"{law['floor']:.3f} + " if law["floor"] else ""
    interval = "no interval: too few points"
    if law["low"] is not None:
        interval = f"95 % interval of the exponent: {law['low']:.3f} to {law['high']:.3f}"
    return f"{floor}{law['factor']:.3g} × C^−{law['exponent']:.3f} ({interval})"
