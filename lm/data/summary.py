"""What a run reads from each source: planned before the run, counted after it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lm.data.mixing import RowStage
from lm.data.order import Order
from lm.data.row_source import RowSource

CHUNK = 1 << 18  # rows counted at a time


def describe_stages(order: Order, stages: Sequence[RowStage], sources: Mapping[str, RowSource]) -> Iterator[str]:
    """One line per stage: share and epochs of each source, and the requested share where a cap prevents it."""
    per_row = {name: Fraction(amount_of(source), len(source) or 1) for name, source in sources.items()}
    begin = 0
    for stage in stages:
        counts = order.counts(begin + stage.rows) - order.counts(begin)
        amounts = [int(count) * each for count, each in zip(counts, per_row.values(), strict=True)]
        total = sum(amounts)
        items = []
        for (name, source), count, amount in zip(sources.items(), counts, amounts, strict=True):
            share, requested = float(amount / total), float(stage.requested[name])
            missed = abs(share - requested) >= max(0.001, 1 / stage.rows)
            note = f", {requested:.1%} requested" if missed else ""
            if share or requested:
                items.append(f"{share:.1%} {name} ({int(count) / max(1, len(source)):.2f} epochs{note})")
        yield f"{stage.name + ', ' if stage.name else ''}{stage.rows} rows: {', '.join(items)}"
        begin += stage.rows


def summarize(
    order: Order, stages: Sequence[RowStage], sources: Mapping[str, RowSource], *, rows: int
) -> dict[str, dict]:
    """What the first `rows` rows of the run hold, by source and, if there are several stages, by stage.

    All rows are visited, at well under a microsecond each: rows hold different numbers of tokens, so what half an epoch
    holds cannot be computed.
    """
    counts: dict[str, _Read] = {}
    begin = 0
    for stage in stages:
        if begin < rows:
            end = min(begin + stage.rows, rows)
            counts[stage.name] = _count(order, begin, end, stage.requested, sources)
            begin = end
    if not stages:  # all rows are shuffled together, in proportion to their sources
        totals = {name: int(source.amounts.sum()) for name, source in sources.items()}
        proportional = {name: Fraction(total, sum(totals.values())) for name, total in totals.items()}
        counts[""] = _count(order, 0, rows, proportional, sources)
    fields = zip(*((each.rows, each.tokens, each.amounts, each.requested) for each in counts.values()), strict=True)
    summary = {"sources": _Read(*map(sum, fields)).summary(sources)}
    if len(stages) > 1:
        summary["stages"] = {name: each.summary(sources) for name, each in counts.items()}
    return summary


def amount_of(source: RowSource) -> int:
    """Tokens (or examples) of all rows of a source; estimates are not whole."""
    return round(float(source.amounts.sum()))


@dataclass(frozen=True)
class _Read:
    """What was read, one number per source."""

    rows: np.ndarray
    tokens: np.ndarray
    amounts: np.ndarray  # what the shares of a mixture count
    requested: np.ndarray  # of the same

    def summary(self, sources: Mapping[str, RowSource]) -> dict[str, dict[str, float]]:
        total = max(1, int(self.amounts.sum()))
        return {
            name: {
                "rows": int(self.rows[number]),
                "tokens": int(self.tokens[number]),
                "epochs": round(int(self.rows[number]) / max(1, len(source)), 6),
                "share": round(int(self.amounts[number]) / total, 6),
                "wanted": round(float(self.requested[number]) / total, 6),
            }
            for number, (name, source) in enumerate(sources.items())
        }


def _count(
    order: Order, begin: int, end: int, requested: Mapping[str, Fraction], sources: Mapping[str, RowSource]
) -> _Read:
    """Count what rows begin…end-1 of the run hold."""
    tokens = [source.counts for source in sources.values()]
    amounts = [source.amounts for source in sources.values()]
    read_rows, read_tokens, read_amounts = np.zeros((3, len(sources)), dtype=np.int64)
    for start in range(begin, end, CHUNK):
        numbers, rows = order.rows(start, min(start + CHUNK, end))
        read_rows += np.bincount(numbers, minlength=len(sources))
        for number in np.unique(numbers):
            here = rows[numbers == number]
            read_tokens[number] += tokens[number][here].sum()
            read_amounts[number] += amounts[number][here].sum()
    shares = np.array([float(requested[name]) for name in sources])
    return _Read(read_rows, read_tokens, read_amounts, int(read_amounts.sum()) * shares)
