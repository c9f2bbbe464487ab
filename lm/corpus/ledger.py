"""The account of a funnel: documents and bytes into and out of every step, and what was dropped for which reason."""

from collections.abc import Sequence
from typing import Any

from lm.corpus.document import Document
from lm.corpus.fate import Fate

EXAMPLES = 3  # of what was dropped, kept for each reason
SHOWN = 200  # characters of an example


class Ledger:
    """Counts by step, in plain data: `steps` is what funnel.json holds."""

    def __init__(self, names: Sequence[str], steps: Sequence[dict[str, Any]] | None = None):
        empty = {"documents": 0, "bytes": 0, "documents_out": 0, "bytes_out": 0, "changed": 0}
        self.steps = list(steps) if steps else [{"step": name, **empty, "dropped": {}} for name in names]

    def add(self, document: Document, fate: Fate) -> None:
        """Count a document by its fate."""
        last = len(fate.sizes) - 1
        for number, (step, size) in enumerate(zip(self.steps, fate.sizes, strict=False)):
            step["documents"] += 1
            step["bytes"] += size
            if number < last:
                step["documents_out"] += 1
                step["bytes_out"] += fate.sizes[number + 1]
                step["changed"] += number in fate.changed
        if fate.dropped is not None:
            why = self.steps[last]["dropped"].setdefault(
                fate.dropped.reason, {"documents": 0, "bytes": 0, "examples": []}
            )
            why["documents"] += 1
            why["bytes"] += fate.sizes[last]
            if len(why["examples"]) < EXAMPLES:
                text = document.text[:SHOWN]
                why["examples"].append({"id": document.id, "detail": fate.dropped.detail, "text": text})

    def table(self) -> str:
        """A line a step, and below it one a reason, the commonest first; empty where there is no step."""
        if not self.steps:
            return ""
        width = max([len("step"), *(len(step["step"]) for step in self.steps)])
        reasons = [len(reason) for step in self.steps for reason in step["dropped"]]
        width = max([width, *(size + 2 for size in reasons)])
        lines = [f"{'step':<{width}}  {'documents':>11}  {'MB':>9}  {'kept':>7}  {'changed':>9}"]
        for step in self.steps:
            kept = f"{step['bytes_out'] / step['bytes']:.1%}" if step["bytes"] else "–"
            lines.append(
                f"{step['step']:<{width}}  {step['documents']:>11}  {step['bytes'] / 1e6:>9.3f}  {kept:>7}  "
                f"{step['changed']:>9}"
            )
            dropped = sorted(step["dropped"].items(), key=lambda item: (-item[1]["documents"], item[0]))
            for reason, found in dropped:
                lines.append(f"  {reason:<{width - 2}}  {-found['documents']:>11}  {-found['bytes'] / 1e6:>9.3f}")
        documents, size = (self.steps[-1]["documents_out"], self.steps[-1]["bytes_out"])
        lines.append(f"{'kept':<{width}}  {documents:>11}  {size / 1e6:>9.3f}")
        return "\n".join(lines)
