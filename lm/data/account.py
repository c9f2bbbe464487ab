"""What a run reads of each source: planned before it, and counted after it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lm.data.order import Order
from lm.data.portions import Portion

CHUNK = 1 << 18  # rows looked at together


def planned(
    order: Order, parts: Sequence[Portion], *, sizes: Mapping[str, int], amounts: Mapping[str, int]
) -> Iterator[str]:
    """A line a stage: each source with its share and epochs, and what was wanted where a cap is in the way."""
    begin = 0
    for part in parts:
        counts = order.counts(begin + part.rows) - order.counts(begin)
        read = {
            name: int(count) * Fraction(amounts[name], sizes[name] or 1)
            for (name, count) in zip(sizes, counts, strict=True)
        }
        total = sum(read.values())
        told = []
        for (name, amount), count in zip(read.items(), counts, strict=True):
            share, wanted = float(amount / total), float(part.wanted[name])
            instead = f", {wanted:.1%} wanted" if abs(share - wanted) >= max(0.001, 1 / part.rows) else ""
            if share or wanted:
                told.append(f"{share:.1%} {name} ({int(count) / max(1, sizes[name]):.2f} ×{instead})")
        yield f"{part.name + ', ' if part.name else ''}{part.rows} rows: {', '.join(told)}"
        begin += part.rows


def account(
    order: Order,
    parts: Sequence[Portion],
    *,
    rows: int,
    tokens: Mapping[str, np.ndarray],
    amounts: Mapping[str, np.ndarray],
) -> dict[str, dict]:
    """What the first `rows` rows of the run held, by source and, where there are several stages, by stage.

    `tokens` are those of each row by source, `amounts` what shares count. All rows are gone through, at well under a
    microsecond each: where rows hold different numbers there is no other way to say what half an epoch held.
    """
    sizes = {source: len(each) for source, each in tokens.items()}
    totals = {source: int(each.sum()) for source, each in amounts.items()}
    everything = sum(totals.values())
    stages: dict[str, _Read] = {}
    begin = 0
    for part in parts:
        if begin < rows:
            end = min(begin + part.rows, rows)
            stages[part.name] = _read(order, begin, end, part.wanted, tokens=tokens, amounts=amounts)
            begin = end
    if not parts:  # all rows shuffled together
        in_proportion = {source: Fraction(total, everything) for source, total in totals.items()}
        stages[""] = _read(order, 0, rows, in_proportion, tokens=tokens, amounts=amounts)
    told = {name: stage.told(sizes) for name, stage in stages.items()}
    whole = _Read(
        *(sum(each) for each in zip(*((s.rows, s.tokens, s.amounts, s.wanted) for s in stages.values()), strict=True))
    )
    return {"sources": whole.told(sizes), **({"stages": told} if len(parts) > 1 else {})}


@dataclass(frozen=True)
class _Read:
    """By source, in one order."""

    rows: np.ndarray
    tokens: np.ndarray
    amounts: np.ndarray  # of what shares count
    wanted: np.ndarray  # of that

    def told(self, sizes: Mapping[str, int]) -> dict[str, dict[str, float]]:
        total = max(1, int(self.amounts.sum()))
        return {
            source: {
                "rows": int(self.rows[number]),
                "tokens": int(self.tokens[number]),
                "epochs": round(int(self.rows[number]) / max(1, size), 6),
                "share": round(int(self.amounts[number]) / total, 6),
                "wanted": round(float(self.wanted[number]) / total, 6),
            }
            for number, (source, size) in enumerate(sizes.items())
        }


def _read(
    order: Order,
    begin: int,
    end: int,
    wanted: Mapping[str, Fraction],
    *,
    tokens: Mapping[str, np.ndarray],
    amounts: Mapping[str, np.ndarray],
) -> _Read:
    """Go through rows begin…end-1."""
    names = [*tokens]
    rows, held, counted = np.zeros((3, len(names)), dtype=np.int64)
    for start in range(begin, end, CHUNK):
        sources, places = order.rows(start, min(start + CHUNK, end))
        rows += np.bincount(sources, minlength=len(names))
        for number in np.unique(sources):
            here = places[sources == number]
            held[number] += tokens[names[number]][here].sum()
            counted[number] += amounts[names[number]][here].sum()
    return _Read(rows, held, counted, int(counted.sum()) * np.array([float(wanted[name]) for name in names]))
