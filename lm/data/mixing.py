"""The stages of a mixture in whole steps and rows, with a cap on how often a source is repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from lm.data.mixture import Mixture, Stage, resolve_sources
from lm.data.pattern import MAX_PERIOD, round_shares
from lm.optimizer import Plan


@dataclass(frozen=True)
class RowStage:
    """A stage of the run in rows."""

    name: str
    rows: int
    requested: dict[str, Fraction]  # share of tokens by source, as the mixture requests it
    row_shares: list[Fraction]  # share of rows by source, as the run reads it


@dataclass(frozen=True)
class Mixing:
    """How the sources of a run are mixed, and how often each may be repeated.

    Args:
        mixture: Share of each source; None shuffles all rows together.
        max_epochs: Maximum epochs of a source, for all or by name; None for no limit.
        excess: What to do if the budget exceeds max_epochs: refuse the run, or redistribute the excess.
    """

    mixture: Mixture | None = None
    max_epochs: float | dict[str, float] | None = None
    excess: Literal["refuse", "redistribute"] = "refuse"

    def __post_init__(self):
        if self.excess == "redistribute" and self.mixture is None:
            raise ValueError(
                "data.excess=redistribute gives sources shares of their own, so it needs a mixture: try "
                "data/mixture=temperature data.mixture.temperature=1, which is in proportion to their sizes"
            )

    def stages(self, plan: Plan, *, sizes: Mapping[str, int], amounts: Mapping[str, int]) -> list[RowStage]:
        """The stages of a run, none without a mixture.

        Args:
            plan: Steps of the run.
            sizes: Rows of each source.
            amounts: Tokens (or examples) of each source.
        """
        if self.mixture is None:
            return []
        stages = in_rows(self.mixture.divide(amounts, key="data.mixture"), plan, sizes=sizes, amounts=amounts)
        if self.excess == "redistribute":
            stages = redistribute_excess(stages, epoch_limits(self.max_epochs, [*sizes]), sizes=sizes)
        return stages

    def check(self, epochs: Mapping[str, float]) -> None:
        """Raise ValueError if a run of so many epochs of each source repeats one beyond `max_epochs`."""
        limits = epoch_limits(self.max_epochs, [*epochs])
        over = [f"{name} {epochs[name]:.2f} times" for name, limit in limits.items() if epochs[name] > limit]
        if over:
            cap = f"={self.max_epochs:g}" if isinstance(self.max_epochs, int | float) else ""
            raise ValueError(
                f"data.max_epochs{cap}: the budget would read {', '.join(over)}; lower the budget or the source's "
                "weight, raise data.max_epochs, or give the excess to the other sources of a mixture: "
                "data.excess=redistribute"
            )


def in_rows(
    stages: Sequence[Stage], plan: Plan, *, sizes: Mapping[str, int], amounts: Mapping[str, int]
) -> list[RowStage]:
    """Stages that end at the nearest step, with shares of rows: shares of tokens over the mean tokens of a row.

    So the shares of rows are exact at every prefix, and those of tokens as far as the rows of a source are alike; over
    whole epochs the shares of tokens are exact too.
    """
    row_stages, begin = [], 0
    for stage in stages:
        end = floor(stage.until * plan.steps + Fraction(1, 2))
        if end == begin:
            raise ValueError(
                f"{stage.key}: the stage would have none of the {plan.steps} steps: lengthen it or the budget, or "
                "remove it"
            )
        parts = [share and share * sizes[source] / amounts[source] for source, share in stage.shares.items()]
        rows = (end - begin) * plan.rows_per_step
        shares = round_shares([part / sum(parts) for part in parts], rows)
        if tiny := [name for name, share in zip(stage.shares, shares, strict=True) if stage.shares[name] and not share]:
            raise ValueError(
                f"{stage.key}: {tiny[0]} would have less than one row in {MAX_PERIOD}: remove it, or raise its weight"
            )
        row_stages.append(RowStage(stage.name, rows, stage.shares, shares))
        begin = end
    return row_stages


def epoch_limits(max_epochs: float | Mapping[str, float] | None, sources: Sequence[str]) -> dict[str, float]:
    """Maximum epochs of each source that has a limit."""
    if not isinstance(max_epochs, Mapping):
        return {} if max_epochs is None else dict.fromkeys(sources, max_epochs)
    resolved = resolve_sources(max_epochs, sources, key="data.max_epochs")
    return {source: max_epochs[name] for name, named in resolved.items() for source in named}


def redistribute_excess(
    stages: Sequence[RowStage], limits: Mapping[str, float], *, sizes: Mapping[str, int]
) -> list[RowStage]:
    """Stages in which no source exceeds its limit of epochs: the excess goes to the other sources of the stage.

    A source over its limit is reduced to it by the same factor in each stage and then fixed. The other sources take
    the excess in proportion to their shares, so one of them may exceed its limit in turn.

    Args:
        stages: Stages of the run.
        limits: Maximum epochs of each source that has a limit.
        sizes: Rows of each source.
    """
    sources = [*sizes]
    limit_rows = {name: Fraction(str(limit)) * sizes[name] for name, limit in limits.items()}
    fixed: set[int] = set()
    while True:
        rows = [sum(ceil(stage.rows * stage.row_shares[source]) for stage in stages) for source in range(len(sources))]
        over = [
            source
            for source, name in enumerate(sources)
            if name in limit_rows and source not in fixed and rows[source] > limit_rows[name]
        ]
        if not over:
            return list(stages)
        fixed.update(over)
        factors = {
            source: min(
                Fraction(1),
                limit_rows[sources[source]] / sum(stage.rows * stage.row_shares[source] for stage in stages),
            )
            for source in over
        }
        stages = [_reduce(stage, factors, fixed) for stage in stages]


def _reduce(stage: RowStage, factors: Mapping[int, Fraction], fixed: set[int]) -> RowStage:
    """Scale the shares of some sources by their factors, in whole rows, and give the rest to those not fixed."""
    shares = list(stage.row_shares)
    resolution = min(stage.rows, MAX_PERIOD)
    for source, factor in factors.items():
        rows = floor(stage.rows * shares[source] * factor)
        shares[source] = Fraction(floor(Fraction(rows, stage.rows) * resolution), resolution)  # as a pattern holds it
    rest = 1 - sum(shares[source] for source in fixed)
    free = sum(share for source, share in enumerate(shares) if source not in fixed)
    if rest and not free:
        of_stage = f" of stage {stage.name}" if stage.name else ""
        raise ValueError(
            f"data.max_epochs: only {floor(stage.rows * (1 - rest))} of the {stage.rows} rows{of_stage} may be read: "
            "lower the budget, raise data.max_epochs, or mix in another source"
        )
    shares = [share if source in fixed else share * rest / (free or 1) for source, share in enumerate(shares)]
    return replace(stage, row_shares=round_shares(shares, stage.rows))
