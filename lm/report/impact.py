"""Report a study of recipes: each at its best learning rate and at every single one, in tables, words and a page.

The best learning rate of a recipe is that of the best mean over the seeds by one metric; all others are read at it.
"""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from lm.report.charts import Chart, chart, chart_grid, mean_curve
from lm.report.comparison import DIRECTIONS, compare, comparison_table
from lm.report.impact_sentences import difference_text, outcomes_at_rates, reading_lines, summary_lines
from lm.report.page import Section
from lm.report.ranges import Range, interval_range, range_rows
from lm.report.statistics import confidence_interval
from lm.report.table import Column, html_lines, html_table, text_table, with_interval

Arms = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]  # arm → learning rate → metric → value of each seed
Expected = Mapping[str, Mapping[str, str]]


def compare_arms(measured: Arms, expected: Expected, *, best_by: Mapping[str, str]) -> dict[str, Any]:
    """Compare recipes at the best learning rate of each, and at every single one.

    Intervals are Student's t over the seeds; differences from the first arm are paired by seed.

    Args:
        measured: Arm → learning rate, as text → metric → value of each seed.
        expected: Arm → metric → higher or lower than in the first arm, stated before the run.
        best_by: The metric by which each arm takes its best rate, and whether that is the highest or the lowest; may
            be empty where there is one rate.

    Returns:
        Plain data: arms, rates, best_rates, and as `compare` returns them `best` and, by rate, `single`; `orders` of
        the arms by metric, and `agreement`, the rank correlation of that order with the one at each rate.
    """
    rates = [*next(iter(measured.values()))]
    best_rates = {arm: _best_rate(of_rate, best_by) for arm, of_rate in measured.items()}
    best = compare({arm: measured[arm][rate] for arm, rate in best_rates.items()}, expected)
    single = {rate: compare({arm: of_rate[rate] for arm, of_rate in measured.items()}, expected) for rate in rates}
    metrics = [*best["metrics"]]
    return {
        "arms": [*measured],
        "rates": rates,
        "best_by": dict(best_by),
        "best_rates": best_rates,
        "best": best,
        "single": single,
        "orders": {name: _order(best["metrics"][name]) for name in metrics},
        "agreement": {
            name: {rate: _rank_correlation(best, single[rate], name) for rate in rates} if len(rates) > 1 else {}
            for name in metrics
        },
    }


def impact_tables(result: Mapping[str, Any]) -> list[str]:
    """A table of the arms at their best rates with the verdicts, and one of every arm at every rate."""
    first = comparison_table({**result["best"], "verdicts": []})
    if result["rates"] == [""]:
        return [comparison_table(result["best"])]
    rows = [(name, rate) for name in result["best"]["metrics"] for rate in result["rates"]]
    columns = [Column("at a single rate", "", lambda row: f"{row[0]}, {row[1]}")]
    for arm in result["arms"]:
        columns.append(
            Column(arm, "", lambda row, arm=arm: _cell(result["single"][row[1]]["metrics"][row[0]].get(arm)))
        )
    return [f"{first}\n{_chosen(result)}", text_table(columns, rows)]


def impact_sections(result: Mapping[str, Any], *, first: int = 0) -> tuple[list[Section], list[Chart]]:
    """The sections of the page of a study, and the charts in them.

    Args:
        result: What `compare_arms` returns.
        first: Number of the first chart among those of the page.
    """
    best, rates = result["best"]["metrics"], result["rates"]
    plots = "".join(f"<h3>{escape(name)}</h3>{range_rows(_ranges(best[name], result))}" for name in best)
    drawn = [_by_rate(name, result) for name in best] if len(rates) > 1 else []
    columns = [Column("metric", "", lambda name: name)]
    for arm in result["arms"]:
        columns.append(Column(arm, "", lambda name, arm=arm: _cell(best[name].get(arm))))
    tables = html_table(columns, [*best]) + (_single_table(result) if len(rates) > 1 else "")
    title = "Each recipe at its best learning rate" if len(rates) > 1 else "Recipes"
    chosen = html_lines(_chosen(result)) if len(rates) > 1 else ""
    expected = _verdict_table(result) if result["best"]["verdicts"] else ""
    sections = [
        Section("words", "What came out", expected + html_lines("\n".join(summary_lines(result)))),
        Section("recipes", title, chosen + plots),
        Section("rates", "At every learning rate", chart_grid(drawn, first=first)),
        Section("numbers", "Numbers", tables),
        Section("order", "Order of the recipes", html_lines("\n".join(reading_lines(result)))),
    ]
    return sections, drawn


def _ranges(row: Mapping[str, Mapping[str, Any]], result: Mapping[str, Any]) -> list[Range]:
    """A metric of each recipe, with the learning rate at which it is best where there are several."""
    rates = result["best_rates"] if len(result["rates"]) > 1 else {}
    return [interval_range(arm, cell, note=f"at {rates[arm]}" if rates else "") for arm, cell in row.items()]


def _by_rate(name: str, result: Mapping[str, Any]) -> Chart:
    """A metric of each recipe over the learning rates, with bands from the lowest to the highest seed."""
    curves = []
    for arm in result["arms"]:
        cells = [(float(rate), result["single"][rate]["metrics"].get(name, {}).get(arm)) for rate in result["rates"]]
        known = sorted((rate, cell) for rate, cell in cells if cell is not None)
        if known:
            curves.append(mean_curve(arm, [rate for rate, _ in known], [cell["values"] for _, cell in known]))
    return chart(name, "learning rate", curves, log_x=10)


def _chosen(result: Mapping[str, Any]) -> str:
    rates = ", ".join(f"{arm} {rate}" for arm, rate in result["best_rates"].items())
    (by, direction), *_ = result["best_by"].items() or [("", "")]
    return f"best learning rate: {rates} ({direction} {by})"


def _verdict_table(result: Mapping[str, Any]) -> str:
    columns = [
        Column("recipe", "", lambda each: each["column"]),
        Column("metric", "", lambda each: each["metric"]),
        Column("expected", "", lambda each: each["expected"]),
        Column(f"than {result['arms'][0]} by", "", lambda each: difference_text(each, result)),
        Column("outcome", "", lambda each: each["outcome"]),
        Column("at single rates", "", lambda each: outcomes_at_rates(each, result)),
    ]
    return html_table(columns, result["best"]["verdicts"], text=(0, 1, 2, 4, 5))


def _single_table(result: Mapping[str, Any]) -> str:
    rows = [(name, rate) for name in result["best"]["metrics"] for rate in result["rates"]]
    columns = [Column("metric", "", lambda row: row[0]), Column("rate", "", lambda row: row[1])]
    for arm in result["arms"]:
        columns.append(
            Column(arm, "", lambda row, arm=arm: _cell(result["single"][row[1]]["metrics"][row[0]].get(arm)))
        )
    return html_table(columns, rows)


def _cell(interval: Mapping[str, Any] | None) -> str:
    return "" if interval is None else with_interval(interval, 1 if abs(interval["mean"]) >= 10 else 3)


def _best_rate(of_rate: Mapping[str, Mapping[str, Sequence[float]]], best_by: Mapping[str, str]) -> str:
    """The rate with the best mean over the seeds; the first of equal ones."""
    if not best_by:
        return next(iter(of_rate))
    ((metric, direction),) = best_by.items()
    return max(of_rate, key=lambda rate: DIRECTIONS[direction] * float(np.mean(of_rate[rate][metric])))


def _order(row: Mapping[str, Mapping[str, Any]]) -> str:
    """The arms by their means; `<` where the paired difference of two neighbours is clear, `≈` where it is not."""
    arms = sorted(row, key=lambda arm: row[arm]["mean"])
    text = arms[0]
    for before, after in pairwise(arms):
        pairs = zip(row[before]["values"], row[after]["values"], strict=True)
        gap = confidence_interval([b - a for a, b in pairs])
        clear = gap["half_width"] is not None and gap["mean"] > gap["half_width"]
        text += f" {'<' if clear else '≈'} {after}"
    return text


def _rank_correlation(one: Mapping[str, Any], other: Mapping[str, Any], metric: str) -> float | None:
    """Spearman's, of the means of the arms; None for fewer than three arms, or where all are equal."""
    means = [[cell["mean"] for cell in each["metrics"][metric].values()] for each in (one, other)]
    if len(means[0]) < 3:
        return None
    ranks = [_ranks(each) for each in means]
    spread = [float(np.std(each)) for each in ranks]
    return None if not all(spread) else float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    array = np.asarray(values)
    return np.array([(array < value).sum() + ((array == value).sum() - 1) / 2 for value in array], dtype=float)
