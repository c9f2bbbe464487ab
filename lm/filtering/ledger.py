"""The account of a funnel: documents, bytes and tokens into and out of every step, and what was dropped for which
reason."""

from collections.abc import Sequence
from typing import Any

from lm.filtering.traces import DocumentTrace

EXAMPLES = 3  # of what was dropped, kept for each reason
SHOWN = 200  # characters of an example


class Ledger:
    """Counts by step, in plain data: `steps` is what funnel.json holds."""

    def __init__(self, names: Sequence[str], steps: Sequence[dict[str, Any]] | None = None):
        empty = {"documents": 0, "bytes": 0, "documents_out": 0, "bytes_out": 0, "changed": 0}
        self.steps = list(steps) if steps is not None else [{"step": name, **empty, "dropped": {}} for name in names]

    def add(self, trace: DocumentTrace) -> None:
        """Count a document by its trace."""
        self._count(trace, "documents", [1] * len(trace.texts))
        self._count(trace, "bytes", trace.sizes)
        for number in trace.changed:
            self.steps[number]["changed"] += 1
        if trace.dropped is not None:
            examples = self._reason(trace).setdefault("examples", [])
            if len(examples) < EXAMPLES:
                document = trace.document
                examples.append({"id": document.id, "detail": trace.dropped.detail, "text": document.text[:SHOWN]})

    def add_tokens(self, trace: DocumentTrace, tokens: Sequence[int]) -> None:
        """Count the tokens of each text of a document that was counted before."""
        self._count(trace, "tokens", tokens)

    def _count(self, trace: DocumentTrace, what: str, amounts: Sequence[int]) -> None:
        last = len(amounts) - 1
        for number, step in enumerate(self.steps):
            step[what] = step.get(what, 0) + (amounts[number] if number <= last else 0)
            step[f"{what}_out"] = step.get(f"{what}_out", 0) + (amounts[number + 1] if number < last else 0)
        if trace.dropped is not None:
            why = self._reason(trace)
            why[what] = why.get(what, 0) + amounts[last]

    def _reason(self, trace: DocumentTrace) -> dict[str, Any]:
        return self.steps[len(trace.texts) - 1]["dropped"].setdefault(trace.dropped.reason, {})

    def merge(self, steps: Sequence[dict[str, Any]]) -> None:
        """Add the account of documents that come after those counted here."""
        for mine, more in zip(self.steps, steps, strict=True):
            for key, amount in more.items():
                if key not in ("step", "dropped"):
                    mine[key] = mine.get(key, 0) + amount
            for reason, why in more["dropped"].items():
                known = mine["dropped"].setdefault(reason, {"examples": []})
                for key, amount in why.items():
                    if key != "examples":
                        known[key] = known.get(key, 0) + amount
                known["examples"] = [*known["examples"], *why["examples"]][:EXAMPLES]

    def table(self) -> str:
        """A line a step, and below it one a reason, the commonest first; empty where there is no step."""
        if not self.steps:
            return ""
        reasons = [len(reason) for step in self.steps for reason in step["dropped"]]
        width = max([len("step"), *(len(step["step"]) for step in self.steps), *(size + 2 for size in reasons)])
        counted = "tokens" in self.steps[0]
        lines = [_line(f"{'step':<{width}}", "documents", "MB", "tokens" if counted else "", "kept", "changed")]
        for step in self.steps:
            share = f"{step['bytes_out'] / step['bytes']:.1%}" if step["bytes"] else "–"
            lines.append(_line(f"{step['step']:<{width}}", *_amounts(step), share, step["changed"]))
            for reason, why in sorted(step["dropped"].items(), key=lambda item: (-item[1]["documents"], item[0])):
                lines.append(_line(f"  {reason:<{width - 2}}", *_amounts(why, sign=-1), "", ""))
        last = {key: self.steps[-1].get(f"{key}_out") for key in ("documents", "bytes", "tokens")}
        lines.append(_line(f"{'kept':<{width}}", *_amounts(last), "", ""))
        return "\n".join(lines)


def _amounts(found: dict[str, Any], *, sign: int = 1) -> tuple[int, str, int | str]:
    tokens = found.get("tokens")
    return sign * found["documents"], f"{sign * found['bytes'] / 1e6:.3f}", "" if tokens is None else sign * tokens


def _line(name: str, documents: object, size: object, tokens: object, kept: object, changed: object) -> str:
    return f"{name}  {documents:>11}  {size:>9}  {tokens:>12}  {kept:>7}  {changed:>9}".rstrip()
