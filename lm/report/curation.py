"""What was chosen of a set of conversations, what was not and why, and whether it teaches more."""

from collections.abc import Mapping
from typing import Any

TASKS = 12  # that are shown


def curation_table(result: Mapping[str, Any]) -> str:
    """A line a rule and reason, the commonest first; then the tasks, the largest first; then notes."""
    rows = [("read", result["conversations"], "")]
    for number, step in enumerate(result["steps"]):
        if number == result["held_out_after"] and result["held_out"]:  # of those that can be learned from
            rows.append(("held out", -result["held_out"], ""))
        if number or step["dropped"]:
            rows.append((step["step"], step["conversations"], ""))
        for reason, found in sorted(step["dropped"].items(), key=lambda item: (-item[1]["conversations"], item[0])):
            example = found["examples"][0]
            told = f"{_short(example['place'])}: {example['detail']}"
            rows.append((f"  {reason}", -found["conversations"], told if len(told) <= 90 else f"{told[:89]}…"))
    rows.append(("chosen", result["chosen"], ""))
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:<{width}}  {count:>9}  {told}".rstrip() for name, count, told in rows]
    tasks = list(result["tasks"].items())
    if len(tasks) > 1:
        wide = max(4, *(len(task) for task, _ in tasks[:TASKS]))
        lines += ["", f"{'task':<{wide}}  {'of':>9}  {'chosen':>9}"]
        lines += [
            f"{task or '(none)':<{wide}}  {found['conversations']:>9}  {found['chosen']:>9}"
            for task, found in tasks[:TASKS]
        ]
        if more := tasks[TASKS:]:
            had, got = (sum(found[what] for _, found in more) for what in ("conversations", "chosen"))
            lines.append(f"{f'{len(more)} more':<{wide}}  {had:>9}  {got:>9}")
    return "\n".join([*lines, *(f"note: {each}" for each in result["notes"])])


def _short(place: str) -> str:
    """A place without the folders of its file."""
    return place.rpartition("/")[2]


def curation_verdict(learned: Mapping[str, Any] | None) -> str:
    """Whether the chosen taught more than as many at random; empty where nothing was trained."""
    if learned is None:
        return ""
    lines = []
    for arm in ("chosen", "random"):
        found = learned[arm]
        lines.append(
            f"{arm:<8} {_interval(found)} bits a byte of held-out answers, {_mean(found['tokens'])} tokens seen"
        )
    difference = learned["difference"]
    width, mean = difference["half_width"], difference["mean"]
    if width is None:
        told = "one seed says nothing about chance: more by seeds="
    elif abs(mean) <= width:
        told = "that is within chance: the chosen teach neither more nor less"
    else:
        told = "the chosen teach more" if mean < 0 else "the chosen teach LESS than random ones"
    return "\n".join([*lines, f"chosen − random {_interval(difference, signed=True)}: {told}"])


def _interval(found: Mapping[str, Any], *, signed: bool = False) -> str:
    mean = f"{found['mean']:+.4f}" if signed else f"{found['mean']:.4f}"
    return mean if found["half_width"] is None else f"{mean} ± {found['half_width']:.4f}"


def _mean(values: list[int]) -> str:
    return f"{sum(values) / len(values):.0f}"
