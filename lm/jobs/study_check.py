"""Whether the parts of a study fit together, before any of it runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm.jobs.trials import SEED

Expected = Mapping[str, Mapping[str, str]]


def check_study(
    stages: Mapping[str, Any],
    columns: Mapping[str, Sequence[str]],
    metrics: Mapping[str, Any],
    *,
    expected: Expected,
    curves: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    root: str,
    arms: Mapping[str, Any],
) -> None:
    if not stages:
        raise ValueError("stages is empty: choose an experiment, as lm study experiment=parity; --help lists them")
    if not (columns or arms) or not metrics:
        raise ValueError("columns and metrics say what the table shows: give at least one of each")
    if not seeds or len({*seeds}) < len(seeds):
        raise ValueError(f"seeds={[*seeds]}: give different seeds, at least one, as seeds=[1,2,3]")
    if SEED not in root:
        raise ValueError(f"root={root} is the same for every seed: add {SEED} to it")
    named = [(f"columns.{column}", name) for column, names in columns.items() for name in names]
    for key, name in [*named, *((f"curves.{name}", name) for name in curves)]:
        _check_stage(key, name, stages)
    kind, others = ("arm", [*arms][1:]) if arms else ("column", [*columns][1:])
    for column, directions in expected.items():
        if column not in others:
            raise ValueError(f"expected.{column}: no {kind} after the first is named so: {', '.join(others) or 'none'}")
        if unknown := [name for name in directions if name not in metrics]:
            raise ValueError(f"expected.{column} names {unknown[0]}, which is no metric: {', '.join(metrics)}")


def _check_stage(key: str, name: str, stages: Mapping[str, Any]) -> None:
    if name not in stages:
        raise ValueError(f"{key} names {name}, which is no stage: {', '.join(stages)}")


def check_arms(
    stages: Mapping[str, Any],
    columns: Mapping[str, Any],
    metrics: Mapping[str, str | Sequence[str]],
    *,
    curves: Mapping[str, Any],
    arms: Mapping[str, Mapping[str, Any]],
    rates: Sequence[float],
    rated: Sequence[str],
    best_by: Mapping[str, str],
) -> None:
    if not arms:
        for key, value in {"rates": rates, "rated": rated, "best_by": best_by}.items():
            if value:
                raise ValueError(f"{key} is for recipes: name some in arms")
        if lists := [name for name, place in metrics.items() if not isinstance(place, str)]:
            raise ValueError(f"metrics.{lists[0]} is a list, the difference of two places, which is for arms")
        return
    for key, value in {"columns": columns, "curves": curves}.items():
        if value:
            raise ValueError(f"{key}: the columns of a study with arms are the arms; leave {key} empty")
    if len({f"{rate:g}" for rate in rates}) < len(rates):
        raise ValueError(f"rates={[*rates]}: give different rates")
    if bool(rates) != bool(rated):
        raise ValueError(f"rates={[*rates]} rated={[*rated]}: rates are given to the optimizers of the stages in rated")
    if len(best_by) > 1 or (len(rates) > 1 and not best_by):
        raise ValueError(f"best_by={dict(best_by)}: name the one metric by which an arm takes its best learning rate")
    for name in best_by:
        if name not in metrics:
            raise ValueError(f"best_by names {name}, which is no metric: {', '.join(metrics)}")
    for arm, changes in arms.items():
        for name in changes:
            _check_stage(f"arms.{arm}", name, stages)
    for name in rated:
        _check_stage("rated", name, stages)
    for name, places in metrics.items():
        for place in [places] if isinstance(places, str) else places:
            _check_stage(f"metrics.{name}", place.partition(".")[0], stages)
        if not isinstance(places, str) and len(places) != 2:
            raise ValueError(f"metrics.{name}={[*places]}: give one place, or two, whose difference is taken")
