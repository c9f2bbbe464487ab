"""A family of models and its law: a table, a verdict in words, and a page with the plot."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from lm.report.lines import scaled
from lm.report.scaling_plot import scaling_plot

Result = Mapping[str, Any]

# heading, what it is, and how it is written
COLUMNS: list[tuple[str, str, Callable[[Result], str]]] = [
    ("depth", "layers of the model, from which the rest follows", lambda rung: f"{rung['depth']}"),
    ("parameters", "embeddings included", lambda rung: scaled(rung["parameters"])),
    ("tokens", "that it was trained on", lambda rung: scaled(rung["tokens"])),
    ("FLOPs", "that the training took, attention and output included", lambda rung: f"{rung['flops']:.2e}"),
    ("nats/token", "on held-out text", lambda rung: f"{rung['loss']:.3f}"),
    (
        "bits/byte",
        "on held-out text; with its 95 % interval over seeds, where there are several",
        lambda rung: _bits(rung),
    ),
    ("seconds", "of one training", lambda rung: f"{rung['seconds']:.0f}"),
]


def scaling_table(found: Result) -> str:
    """A line a rung."""
    rows = [[heading for heading, _, _ in COLUMNS]]
    rows += [[write(rung) for _, _, write in COLUMNS] for rung in found["rungs"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def scaling_verdict(found: Result) -> str:
    """The law in a line, how sure it is, and how well it would have foretold the largest rung."""
    line, curve, held_out = found["line"], found["curve"], found["held_out"]
    told = [
        f"After C FLOPs, bits per byte are {_law(line)}: ten times as many take off {1 - 10 ** -line['exponent']:.1%}."
    ]
    if line["exponent"] < 1e-6:
        told = [f"Bits per byte do not fall with compute ({_law(line)}): look at how each rung was trained."]
    if curve:
        told.append(f"With a floor, which {len(found['rungs'])} rungs tell: {_law(curve)}.")
    else:
        told.append(
            f"A floor that no compute takes away cannot be told from {len(found['rungs'])} rungs: the line holds where "
            "it was measured, and is too hopeful far beyond."
        )
    missed = held_out["predicted"] / held_out["measured"] - 1
    told.append(
        f"Depth {held_out['depth']} foretold from the others: {held_out['predicted']:.3f}; measured: "
        f"{held_out['measured']:.3f} ({missed:+.1%})."
    )
    told += [
        f"Depth {each['depth']} ({scaled(each['parameters'])} parameters, {scaled(each['tokens'])} tokens, "
        f"{each['flops']:.2e} FLOPs) would reach about {each['bits_per_byte']:.3f}."
        for each in found["ahead"]
    ]
    if found["rungs"][0]["half_width"] is None:
        told.append("With one seed, nothing says how far chance moved the points: seeds=3.")
    return "\n".join(told)


def scaling_page(found: Result) -> str:
    """One HTML page that needs nothing else."""
    heads = "".join(f"<th title='{escape(meaning)}'>{escape(heading)}</th>" for heading, meaning, _ in COLUMNS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(write(rung))}</td>' for _, _, write in COLUMNS)}</tr>" for rung in found["rungs"]
    )
    meanings = "".join(f"<dt>{escape(heading)}</dt><dd>{escape(meaning)}</dd>" for heading, meaning, _ in COLUMNS)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Scaling</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #222 }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ padding: .2em .6em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }}
svg {{ max-width: 100%; height: auto }} dt {{ font-weight: bold; float: left; width: 8em }}
</style>
<h1>Bits per byte by compute, from {len(found["rungs"])} models</h1>
<p>{"<br>".join(map(escape, scaling_verdict(found).splitlines()))}</p>
{scaling_plot(found)}
<table><tr>{heads}</tr>{rows}</table>
<dl>{meanings}</dl>
</html>
"""


def _law(law: Result) -> str:
    """`1.2 + 34 × C^−0.12 (95 % interval of the exponent: 0.10 to 0.14)`."""
    floor = f"{law['floor']:.3f} + " if law["floor"] else ""
    sure = "no interval, as nothing is left to tell it"
    if law["low"] is not None:
        sure = f"95 % interval of the exponent: {law['low']:.3f} to {law['high']:.3f}"
    return f"{floor}{law['factor']:.3g} × C^−{law['exponent']:.3f} ({sure})"


def _bits(rung: Result) -> str:
    return f"{rung['bits_per_byte']:.3f}" + ("" if rung["half_width"] is None else f" ± {rung['half_width']:.3f}")
