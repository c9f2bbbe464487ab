"""The results of a search for leaked items as a table."""

from collections.abc import Mapping
from typing import Any

FOUND = ("question", "answer", "both", "either")


def leakage_table(results: Mapping[str, Any]) -> str:
    """Return, for each benchmark, the shares of items found, and the scores of those and of the others.

    Args:
        results: What `Leakage` returns.
    """
    lines = []
    for name, task in results["tasks"].items():
        width = max(len(name), 14) + 2
        lines.append(f"{name:<{width}}{'found':>9}{'95 % interval':>17}{'searched':>10}{'of items':>10}")
        for part in FOUND:
            each = task["found"][part]
            if each is None:
                lines.append(f"  {part:<{width - 2}}{'none':>9}{'':>17}{0:>10,}{task['items']:>10,}")
                continue
            low, high = each["interval"]
            lines.append(
                f"  {part:<{width - 2}}{each['value']:>9.1%}{f'{100 * low:.1f} – {100 * high:.1f}':>17}"
                f"{each['count']:>10,}{task['items']:>10,}"
            )
        lines.append(f"{task['main']:<{width}}{'score':>9}{'95 % interval':>17}{'items':>10}")
        for group, each in task["scores"].items():
            low, high = (_number(value, each) for value in each["interval"])
            lines.append(
                f"  {group:<{width - 2}}{_number(each['value'], each):>9}{f'{low} – {high}':>17}{each['count']:>10,}"
            )
        lines.append("")
    lines.append(f"{results['documents']:,} training documents were searched")
    if results["common"]:
        lines.append(f"{results['common']:,} n-grams of many items are their style, and were not searched")
    return "\n".join(lines)


def _number(value: float, found: Mapping[str, Any]) -> str:
    return f"{100 * value:.1f}" if found["share"] else f"{value:.4g}"
