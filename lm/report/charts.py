"""Charts that the script of a page draws: their data, and their places with the numbers as a table."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lm.report.table import Column, html_table

Chart = dict[str, Any]


def curve(label: str, places: Sequence[float], values: Sequence[float], **style: Any) -> dict[str, Any]:
    """A curve of a chart.

    Args:
        label: Its name.
        places: Where on the axis its values are, rising.
        values: Its values.
        style: `low` and `high` for a band; `reference` for a thin dashed line; `dots` for points without a line.
    """
    return {"label": label, "steps": [*places], "values": [*values], **style}


def mean_curve(label: str, places: Sequence[float], values: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The curve of the mean of several values at each place, with a band from the lowest to the highest.

    Args:
        label: Its name.
        places: Where on the axis its values are, rising.
        values: The values at each place, as of the seeds.
    """
    band = {"low": [min(each) for each in values], "high": [max(each) for each in values]}
    several = any(len(each) > 1 for each in values)
    return curve(label, places, [sum(each) / len(each) for each in values], **(band if several else {}))


def chart(title: str, axis: str, curves: Sequence[Mapping[str, Any]], *, log_x: int = 0, log_y: bool = False) -> Chart:
    """A chart over something else than steps.

    Args:
        title: What its values are.
        axis: What the axis is.
        curves: Its curves.
        log_x: Base of a logarithmic axis; 0 for a linear one.
        log_y: Whether the values are on a logarithmic scale.
    """
    scales = {**({"log_x": log_x} if log_x else {}), **({"log_y": True} if log_y else {})}
    return {"title": title, "axis": axis, "noisy": False, "curves": [*curves], **scales}


def chart_grid(drawn: Sequence[Mapping[str, Any]], *, first: int = 0) -> str:
    """The places of charts beside each other, from number `first` of the page on; empty without any."""
    return f'<div class="charts">{chart_figures(drawn, first=first)}</div>' if drawn else ""


def chart_figures(drawn: Sequence[Mapping[str, Any]], *, first: int = 0) -> str:
    """The places of charts, from number `first` on, each with its numbers for those who do not see it."""
    return "".join(
        f'<figure class="chart"><figcaption>{escape(chart["title"])}</figcaption>'
        f'<div class="plot" data-chart="{number}" tabindex="0" role="group" aria-label="chart of '
        f'{escape(chart["title"], quote=True)}"></div>{_numbers(chart)}</figure>'
        for number, chart in enumerate(drawn, first)
    )


def _numbers(chart: Mapping[str, Any]) -> str:
    columns = [
        Column("curve", "", lambda curve: curve["label"]),
        Column("first", "", lambda curve: f"{curve['values'][0]:.4g}"),
        Column("lowest", "", lambda curve: f"{min(curve['values']):.4g}"),
        Column("highest", "", lambda curve: f"{max(curve['values']):.4g}"),
        Column("last", "", lambda curve: f"{curve['values'][-1]:.4g}"),
        Column(f"at {chart.get('axis', 'step')}", "", lambda curve: f"{curve['steps'][-1]:.6g}"),
    ]
    return f"<details><summary>numbers</summary>{html_table(columns, chart['curves'])}</details>"
