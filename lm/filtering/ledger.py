"""The account of a funnel: documents, bytes and tokens into and out of each step, and what was dropped, by reason."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lm.corpus import Shards, Split
from lm.corpus.layout import SPLITS
from lm.filtering.traces import DocumentTrace
from lm.tokenizer import Tokenizer

EXAMPLES = 3  # dropped documents stored for each reason
EXCERPT = 200  # characters of an example
TOKENIZED = 2_000_000  # characters that are tokenized at once


class Ledger:
    """Counts by step, as plain data: `steps` is what funnel.json holds.

    Args:
        names: Name of each step.
        steps: Counts to start from.
    """

    def __init__(self, names: Sequence[str], steps: Sequence[dict[str, Any]] | None = None):
        empty = {"documents": 0, "bytes": 0, "documents_out": 0, "bytes_out": 0, "changed": 0}
        self.steps = list(steps) if steps is not None else [{"step": name, **empty, "dropped": {}} for name in names]

    def add(self, trace: DocumentTrace) -> None:
        """Count a document."""
        self._count(trace, "documents", [1] * len(trace.texts))
        self._count(trace, "bytes", trace.sizes)
        for number in trace.changed:
            self.steps[number]["changed"] += 1
        if trace.dropped is not None:
            examples = self._reason(trace).setdefault("examples", [])
            if len(examples) < EXAMPLES:
                document = trace.document
                examples.append({"id": document.id, "detail": trace.dropped.detail, "text": document.text[:EXCERPT]})

    def add_tokens(self, trace: DocumentTrace, tokens: Sequence[int]) -> None:
        """Count the tokens of each text of a document that `add` has counted."""
        self._count(trace, "tokens", tokens)

    def _count(self, trace: DocumentTrace, unit: str, amounts: Sequence[int]) -> None:
        last = len(amounts) - 1
        for number, step in enumerate(self.steps):
            step[unit] = step.get(unit, 0) + (amounts[number] if number <= last else 0)
            step[f"{unit}_out"] = step.get(f"{unit}_out", 0) + (amounts[number + 1] if number < last else 0)
        if trace.dropped is not None:
            counts = self._reason(trace)
            counts[unit] = counts.get(unit, 0) + amounts[last]

    def _reason(self, trace: DocumentTrace) -> dict[str, Any]:
        return self.steps[len(trace.texts) - 1]["dropped"].setdefault(trace.dropped.reason, {})

    def merge(self, steps: Sequence[dict[str, Any]]) -> None:
        """Add the counts of documents that follow those counted here."""
        for mine, more in zip(self.steps, steps, strict=True):
            for key, amount in more.items():
                if key not in ("step", "dropped"):
                    mine[key] = mine.get(key, 0) + amount
            for reason, counts in more["dropped"].items():
                known = mine["dropped"].setdefault(reason, {"examples": []})
                for key, amount in counts.items():
                    if key != "examples":
                        known[key] = known.get(key, 0) + amount
                known["examples"] = [*known["examples"], *counts["examples"]][:EXAMPLES]

    def table(self) -> str:
        """A table with a row per step and, below it, a row per reason, the most frequent first; empty without steps."""
        if not self.steps:
            return ""
        reasons = [len(reason) for step in self.steps for reason in step["dropped"]]
        width = max([len("step"), *(len(step["step"]) for step in self.steps), *(size + 2 for size in reasons)])
        counted = "tokens" in self.steps[0]
        lines = [_line(f"{'step':<{width}}", "documents", "MB", "tokens" if counted else "", "kept", "changed")]
        for step in self.steps:
            share = f"{step['bytes_out'] / step['bytes']:.1%}" if step["bytes"] else "–"
            lines.append(_line(f"{step['step']:<{width}}", *_amounts(step), share, step["changed"]))
            for reason, counts in sorted(step["dropped"].items(), key=lambda item: (-item[1]["documents"], item[0])):
                lines.append(_line(f"  {reason:<{width - 2}}", *_amounts(counts, sign=-1), "", ""))
        last = {key: self.steps[-1].get(f"{key}_out") for key in ("documents", "bytes", "tokens")}
        lines.append(_line(f"{'kept':<{width}}", *_amounts(last), "", ""))
        return "\n".join(lines)


def _amounts(counts: dict[str, Any], *, sign: int = 1) -> tuple[int, str, int | str]:
    tokens = counts.get("tokens")
    return sign * counts["documents"], f"{sign * counts['bytes'] / 1e6:.3f}", "" if tokens is None else sign * tokens


def _line(name: str, documents: object, size: object, tokens: object, kept: object, changed: object) -> str:
    return f"{name}  {documents:>11}  {size:>9}  {tokens:>12}  {kept:>7}  {changed:>9}".rstrip()


def count_tokens(
    ledger: Ledger, traces: Iterable[DocumentTrace], directory: Path, *, tokenizer: Tokenizer, split: Split
) -> None:
    """Add the tokens of each text of each document to the ledger, without end-of-document tokens.

    The tokens of kept documents are read off the shards in `directory`; texts that were dropped or changed are
    tokenized here.
    """
    lengths_of = {
        (name, kind): iter((np.diff(stream.bounds) - 1).tolist())
        for name in SPLITS
        for kind, stream in Shards(directory, name).streams.items()
    }
    for batch in _batches(traces):
        kept = [
            None if trace.kept is None else next(lengths_of[SPLITS[split.held_out(trace.kept)], trace.kept.kind])
            for trace in batch
        ]
        texts = [list(_to_encode(trace)) for trace in batch]
        encoded = iter(tokenizer.encode_batch([text for own in texts for text in own]))
        for trace, length, own in zip(batch, kept, texts, strict=True):
            lengths = {id(text): len(next(encoded)) for text in own}
            if length is not None:
                lengths[id(trace.texts[-1])] = length
            ledger.add_tokens(trace, [lengths[id(text)] for text in trace.texts])


def _to_encode(trace: DocumentTrace) -> Iterator[str]:
    """The distinct texts of a document, without the one that was kept."""
    known = {id(trace.texts[-1])} if trace.kept is not None else set()
    for text in trace.texts:
        if id(text) not in known:
            known.add(id(text))
            yield text


def _batches(traces: Iterable[DocumentTrace]) -> Iterator[list[DocumentTrace]]:
    """Batches of traces, bounded by their number and by the characters to tokenize."""
    batch: list[DocumentTrace] = []
    size = 0
    for trace in traces:
        batch.append(trace)
        size += sum(map(len, _to_encode(trace)))
        if size >= TOKENIZED or len(batch) == 4096:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
