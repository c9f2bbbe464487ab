"""The stages of a mixture in whole steps and rows, and no source read more often than it may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

from lm.data.mixture import Stage
from lm.data.named_sources import sources_meant
from lm.data.pattern import LONGEST_PERIOD, held
from lm.optimizer import Plan


@dataclass(frozen=True)
class Portion:
    """A stage in rows."""

    name: str
    rows: int
    wanted: dict[str, Fraction]  # share of tokens by source, as the mixture says
    shares: list[Fraction]  # of rows, by source, as they will be


def portions(
    stages: Sequence[Stage], plan: Plan, *, sizes: Mapping[str, int], amounts: Mapping[str, int]
) -> list[Portion]:
    """Stages with ends at the nearest step, and shares in rows, from which what a row holds on average is divided out.

    So rows are exact at every prefix, and tokens as far as the rows of a source are alike; over whole epochs they are
    exact again.
    """
    found, begin = [], 0
    for stage in stages:
        end = floor(stage.until * plan.steps + Fraction(1, 2))
        if end == begin:
            raise ValueError(
                f"{stage.key}: of {plan.steps} steps the stage would have none: make it or the budget longer, or "
                "leave it out"
            )
        parts = [share and share * sizes[source] / amounts[source] for source, share in stage.shares.items()]
        rows = (end - begin) * plan.rows_per_step
        shares = held([part / sum(parts) for part in parts], rows)
        if tiny := [name for name, share in zip(stage.shares, shares, strict=True) if stage.shares[name] and not share]:
            raise ValueError(
                f"{stage.key}: {tiny[0]} would have less than one row in {LONGEST_PERIOD}: leave it out, or give "
                "it more"
            )
        found.append(Portion(stage.name, rows, stage.shares, shares))
        begin = end
    return found


def epoch_limits(max_epochs: float | Mapping[str, float] | None, sources: Sequence[str]) -> dict[str, float]:
    """The most epochs of each source that has a limit."""
    if not isinstance(max_epochs, Mapping):
        return {} if max_epochs is None else dict.fromkeys(sources, max_epochs)
    meant = sources_meant(max_epochs, sources, key="data.max_epochs")
    return {source: max_epochs[name] for name, found in meant.items() for source in found}


def redistribute_excess(
    parts: Sequence[Portion], limits: Mapping[str, float], *, sizes: Mapping[str, int]
) -> list[Portion]:
    """Portions in which no source gives more than its limit of epochs: what is over goes to the others of the stage.

    A source that would give too many gets as many as it may, less by the same factor in each stage, and is then left
    alone; the others share what it left in proportion to what they had, and one of them may then be over in turn.
    """
    sources = [*sizes]
    rows = {name: Fraction(str(limit)) * sizes[name] for name, limit in limits.items()}  # that each may give
    settled: set[int] = set()
    while True:
        most = [sum(ceil(part.rows * part.shares[source]) for part in parts) for source in range(len(sources))]
        over = [
            source
            for source, name in enumerate(sources)
            if name in rows and source not in settled and most[source] > rows[name]
        ]
        if not over:
            return list(parts)
        settled.update(over)
        kept = {
            source: min(Fraction(1), rows[sources[source]] / sum(part.rows * part.shares[source] for part in parts))
            for source in over
        }
        parts = [_settle(part, kept, settled) for part in parts]


def _settle(part: Portion, kept: Mapping[int, Fraction], settled: set[int]) -> Portion:
    """The portion with the shares in `kept` times that, in whole rows, and the rest in proportion to what it had."""
    shares = list(part.shares)
    resolution = min(part.rows, LONGEST_PERIOD)
    for source, factor in kept.items():
        rows = floor(part.rows * shares[source] * factor)
        shares[source] = Fraction(floor(Fraction(rows, part.rows) * resolution), resolution)  # what a pattern can hold
    rest = 1 - sum(shares[source] for source in settled)
    free = sum(share for source, share in enumerate(shares) if source not in settled)
    if rest and not free:
        of_stage = f"of stage {part.name} " if part.name else ""
        raise ValueError(
            f"data.max_epochs: of the {part.rows} rows {of_stage}only {floor(part.rows * (1 - rest))} may be read: "
            "lower the budget, raise data.max_epochs, or mix in another source"
        )
    grown = [share if source in settled else share * rest / (free or 1) for source, share in enumerate(shares)]
    return replace(part, shares=held(grown, part.rows))
