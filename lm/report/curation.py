"""Report a curation: what each rule dropped and why, and whether the selection teaches more."""

from collections.abc import Mapping
from typing import Any

from lm.report.table import with_interval

MAX_TASKS = 12  # rows of the table of tasks
MAX_EXAMPLE = 90  # characters


def curation_table(result: Mapping[str, Any]) -> str:
    """Format a row per rule with what it removed and left, and its reasons, most frequent first.

    Tasks follow, largest first, then notes.
    """
    rows = [("rule", "removed", "left", "first example"), ("(read)", "", f"{result['conversations']}", "")]
    for number, step in enumerate(result["steps"]):
        left = step["conversations"]
        if number == result["held_out_after"] and result["held_out"]:  # of the conversations that can be trained on
            rows.append(("(held out)", f"{result['held_out']}", f"{left}", ""))
        dropped = sorted(step["dropped"].items(), key=lambda item: (-item[1]["conversations"], item[0]))
        removed = sum(drops["conversations"] for _, drops in dropped)
        examples = [_example(drops["examples"][0]) for _, drops in dropped]
        alone = len(dropped) == 1 and dropped[0][0] == step["step"]
        rows.append((step["step"], f"{removed}", f"{left - removed}", examples[0] if alone else ""))
        if not alone:
            reasons = zip(dropped, examples, strict=True)
            rows += [(f"  {reason}", f"{drops['conversations']}", "", example) for (reason, drops), example in reasons]
    last = rows[-1][2] or next(left for _, _, left, _ in reversed(rows) if left)
    rows.append(("(not chosen)", f"{int(last) - result['chosen']}", f"{result['chosen']}", ""))
    width = max(len(row[0]) for row in rows)
    lines = [f"{name:<{width}}  {removed:>8}  {left:>8}  {example}".rstrip() for name, removed, left, example in rows]
    return "\n".join([*lines, *_task_lines(result["tasks"]), *(f"note: {note}" for note in result["notes"])])


def _example(first: Mapping[str, str]) -> str:
    example = f"{first['place'].rpartition('/')[2]}: {first['detail']}"
    return example if len(example) <= MAX_EXAMPLE else f"{example[: MAX_EXAMPLE - 1]}…"


def _task_lines(tasks: Mapping[str, Mapping[str, int]]) -> list[str]:
    if len(tasks) < 2:
        return []
    rows = [(task or "(none)", counts["conversations"], counts["chosen"]) for task, counts in tasks.items()]
    shown, others = rows[:MAX_TASKS], rows[MAX_TASKS:]
    width = max(4, *(len(task) for task in [*tasks][:MAX_TASKS]))
    if others:
        shown.append((f"{len(others)} more", sum(row[1] for row in others), sum(row[2] for row in others)))
    return [
        "",
        f"{'task':<{width}}  {'of':>9}  {'chosen':>9}",
        *(f"{task:<{width}}  {count:>9}  {chosen:>9}" for task, count, chosen in shown),
    ]


def curation_verdict(learned: Mapping[str, Any] | None) -> str:
    """Summarize whether the selection taught more than as many random conversations; empty if nothing was trained."""
    if learned is None:
        return ""
    lines = []
    for arm in ("chosen", "random"):
        tokens = learned[arm]["tokens"]
        lines.append(
            f"{arm:<8} {with_interval(learned[arm], 4)} bits per byte of held-out answers, "
            f"{sum(tokens) / len(tokens):.0f} tokens seen"
        )
    difference = learned["difference"]
    width, mean = difference["half_width"], difference["mean"]
    if width is None:
        verdict = "with one seed the random error is unknown: set seeds=3"
    elif abs(mean) <= width:
        verdict = "within chance: the selection teaches neither more nor less"
    else:
        verdict = "the selection teaches more" if mean < 0 else "the selection teaches LESS than random conversations"
    return "\n".join([*lines, f"chosen − random {with_interval(difference, 4, signed=True)}: {verdict}"])
