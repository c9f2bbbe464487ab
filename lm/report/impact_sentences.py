"""Say in sentences what a study of recipes expected and what came out."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from lm.report.statistics import confidence_interval
from lm.report.table import with_interval


def impact_words(result: Mapping[str, Any]) -> str:
    """What was expected and what came out, metric by metric, in sentences."""
    lines = [_sentence(verdict, result) for verdict in result["best"]["verdicts"]]
    return "\n".join([*lines, *reading_lines(result), *summary_lines(result)])


def reading_lines(result: Mapping[str, Any]) -> list[str]:
    """The order of the arms by each metric, what depends on the learning rate, and what the study cannot show."""
    lines = [f"Order of the arms, lowest first: {name}: {order}." for name, order in result["orders"].items()]
    return [*lines, *_agreement_lines(result), *_rate_lines(result), *_constant_lines(result)]


def summary_lines(result: Mapping[str, Any]) -> list[str]:
    verdicts, (first, *_) = result["best"]["verdicts"], result["best"]["metrics"].values()
    return [*([_count(verdicts)] if verdicts else []), _caution(len(next(iter(first.values()))["values"]))]


def _sentence(verdict: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    first, arm, metric = result["arms"][0], verdict["column"], verdict["metric"]
    line = f"Expected {metric} {verdict['expected']} in {arm} than in {first}: {difference_text(verdict, result)}"
    line += f", {verdict['outcome']}"
    if at := outcomes_at_rates(verdict, result):
        line += f", {at}" if at.startswith("so") else f"; at {at}"
    return f"{line}."


def difference_text(verdict: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """The difference from the first arm, with its interval."""
    difference = result["best"]["differences"][verdict["column"]].get(verdict["metric"])
    return "not measured" if difference is None else with_interval(difference, _digits(difference), signed=True)


def outcomes_at_rates(verdict: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """The outcome at each single learning rate; empty where there is one."""
    if len(result["rates"]) < 2:
        return ""
    outcomes = [_outcome_at(result["single"][rate], verdict["column"], verdict["metric"]) for rate in result["rates"]]
    if {*outcomes} == {verdict["outcome"]}:
        return "so at every single rate"
    return ", ".join(f"{rate} {each}" for rate, each in zip(result["rates"], outcomes, strict=True))


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


def _rate_lines(result: Mapping[str, Any]) -> list[str]:
    """A warning where the arms take different rates: other metrics may then differ by the rate alone."""
    if len({*result["best_rates"].values()}) < 2:
        return []
    (by,) = result["best_by"]
    return [f"The arms take different rates: any metric but {by} may differ by the rate alone; see the single rates."]


def _constant_lines(result: Mapping[str, Any]) -> list[str]:
    """The metrics that have one value in all arms, rates and seeds, so that they show nothing."""
    lines = []
    for name in result["best"]["metrics"]:
        cells = [cell for single in result["single"].values() for cell in single["metrics"][name].values()]
        if len(values := {value for cell in cells for value in cell["values"]}) == 1 and len(cells) > 1:
            lines.append(f"{name} is {values.pop():g} in every run: this study is too small to move it.")
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
