"""Report a study of recipes: each at its best learning rate and at every single one, in tables, words and a page.

The best learning rate of a recipe is that of the best mean over the seeds by one metric; all others are read at it.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

from lm.report.comparison import DIRECTIONS, compare, comparison_table
from lm.report.page import html_page
from lm.report.plots import impact_plots
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
    chosen = "best learning rate: " + ", ".join(f"{arm} {rate}" for arm, rate in result["best_rates"].items())
    (by, direction), *_ = result["best_by"].items() or [("", "")]
    rows = [(name, rate) for name in result["best"]["metrics"] for rate in result["rates"]]
    columns = [Column("at a single rate", "", lambda row: f"{row[0]}, {row[1]}")]
    for arm in result["arms"]:
        columns.append(
            Column(arm, "", lambda row, arm=arm: _cell(result["single"][row[1]]["metrics"][row[0]].get(arm)))
        )
    return [f"{first}\n{chosen} ({direction} {by})", text_table(columns, rows)]


def impact_words(result: Mapping[str, Any]) -> str:
    """What was expected and what came out, metric by metric, in sentences."""
    best, (first, *_) = result["best"], result["best"]["metrics"].values()
    seeds = len(next(iter(first.values()))["values"])
    lines = [_sentence(verdict, result) for verdict in best["verdicts"]]
    lines += [f"Order of the arms, lowest first: {name}: {order}." for name, order in result["orders"].items()]
    lines += _agreement_lines(result)
    if best["verdicts"]:
        lines.append(_count(best["verdicts"]))
    lines.append(_caution(seeds))
    return "\n".join(lines)


def impact_page(name: str, result: Mapping[str, Any]) -> str:
    """Return one HTML page that loads nothing else: words, plots and tables."""
    columns = [Column("metric", "", lambda name: name)]
    for arm in result["arms"]:
        columns.append(Column(arm, "", lambda name, arm=arm: _cell(result["best"]["metrics"][name].get(arm))))
    tables = impact_tables(result)
    return html_page(
        name,
        f"{name}: {len(result['arms'])} recipes",
        html_lines(impact_words(result)),
        impact_plots(result),
        "<h2>Each recipe at its best learning rate</h2>" if len(tables) > 1 else "",
        html_table(columns, [*result["best"]["metrics"]]),
        *(["<h2>At every learning rate</h2>", _single_table(result)] if len(tables) > 1 else []),
    )


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


def _sentence(verdict: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    first, arm, metric = result["arms"][0], verdict["column"], verdict["metric"]
    difference = result["best"]["differences"][arm].get(metric)
    found = "not measured" if difference is None else with_interval(difference, _digits(difference), signed=True)
    line = f"Expected {metric} {verdict['expected']} in {arm} than in {first}: {found}, {verdict['outcome']}"
    if len(result["rates"]) > 1:
        outcomes = [_outcome_at(result["single"][rate], arm, metric) for rate in result["rates"]]
        if {*outcomes} == {verdict["outcome"]}:
            line += ", so at every single rate"
        else:
            line += "; at " + ", ".join(f"{rate} {each}" for rate, each in zip(result["rates"], outcomes, strict=True))
    return f"{line}."


def _outcome_at(compared: Mapping[str, Any], arm: str, metric: str) -> str:
    verdicts = compared["verdicts"]
    return next(each["outcome"] for each in verdicts if (each["column"], each["metric"]) == (arm, metric))


def _digits(interval: Mapping[str, Any]) -> int:
    return 1 if abs(interval["mean"]) >= 10 else 3


def _agreement_lines(result: Mapping[str, Any]) -> list[str]:
    """Where the order of the arms depends on the learning rate."""
    lines = []
    for name, agreement in result["agreement"].items():
        known = {rate: value for rate, value in agreement.items() if value is not None}
        if known:
            values = ", ".join(f"{value:.2f} at {rate}" for rate, value in known.items())
            lines.append(f"Rank correlation of that order with the one at a single rate: {name}: {values}.")
    return lines


def _count(verdicts: Sequence[Mapping[str, Any]]) -> str:
    counts = dict.fromkeys(("as expected", "the opposite", "no clear effect"), 0)
    for verdict in verdicts:
        counts[verdict["outcome"]] = counts.get(verdict["outcome"], 0) + 1
    parts = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"Of {len(verdicts)} expectations {parts}. Without any effect about one in twenty would look clear."


def _caution(seeds: int) -> str:
    if seeds < 2:
        return "One seed: there are no intervals, and nothing is decided."
    width = confidence_interval([0.0] * (seeds - 1) + [sqrt(seeds)])["half_width"]  # a sample deviation of 1
    return (
        f"± is the 95 % interval of a mean over {seeds} seeds (Student's t), {width:.1f} standard deviations of a seed "
        "wide on each side: smaller effects than that are not seen. The best rate was chosen on the same seeds."
    )
