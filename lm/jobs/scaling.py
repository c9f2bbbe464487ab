"""Train a ladder of models and fit the power law by which bits per byte fall with compute."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from operator import getitem
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import torch

from lm.bounds import Count
from lm.checkpoint.architecture import ARCHITECTURE
from lm.config.build import build
from lm.config.ladder import rung
from lm.directory import Run
from lm.directory.manifest import read_manifest
from lm.files import write_atomically
from lm.model import Cost, model_cost
from lm.report import (
    PowerLaw,
    confidence_interval,
    fit_power_law,
    fit_power_law_with_floor,
    scaling_table,
    scaling_verdict,
)

BITS = "validation/bits_per_byte"
MIN_RUNGS = 3  # any two lie on a line


def measure_scaling(
    run: Run,
    pretrain: Callable[..., Any],
    depths: list[Count],
    seeds: Count = 1,
) -> dict[str, Any]:
    """Pretrain a model at each depth and fit bits per byte as a power law of FLOPs.

    The rules of `lm.config.ladder` set what follows from the depth; a key set to another value keeps that value at
    every depth. Each training is a named run below the directory of this one; finished runs are not repeated. The
    largest rung is also predicted from the others, and the law predicts rungs 1.5 × and 2 × as deep.

    Args:
        run: The named run; its directory receives results.json and the runs of all rungs.
        pretrain: The job `pretrain`, called once per depth and seed; its model needs a `depth`.
        depths: Layers of each rung; at least 3 different depths.
        seeds: Trainings per depth; more than 1 gives each point an interval.

    Returns:
        Rungs, laws and predictions, as in results.json.

    Raises:
        ValueError: Fewer than 3 depths, a model without `depth`, or a corpus that holds nothing out.
    """
    if len({*depths}) < MIN_RUNGS:
        raise ValueError(f"depths={depths}: a power law needs at least {MIN_RUNGS} different depths")
    config = run.config["pretrain"]
    if "depth" not in config["model"]:
        raise ValueError("pretrain.model has no depth, which is what is varied: choose model@pretrain.model=rung")
    if run.finished({"data": build(config["data"]).fingerprint()}):
        study, outcome = run.result, "nothing to do"
    else:
        started = perf_counter()
        rungs = [_train_rung(run, pretrain, depth, seeds) for depth in sorted({*depths})]
        study = {"rungs": rungs, **fit_laws(rungs)}
        deepest = rungs[-1]["depth"]
        description = _read_description(_rung_directory(run, deepest, seed=0))
        study["ahead"] = [
            _predict(study, description, depth, changes_for_depth(config, depth))
            for depth in (-(-3 * deepest // 2), 2 * deepest)
        ]
        outcome = f"{len(rungs) * seeds} trainings in {perf_counter() - started:.0f} s"
        write_atomically(run.directory / "results.json", json.dumps(study, indent=2, ensure_ascii=False))
        run.finish(outputs=[run.directory / "results.json"], result=study)
    run.console.block(scaling_table(study), scaling_verdict(study))
    run.console.line(f"{outcome} → {run.directory}", before="\n")
    return study


def _rung_directory(run: Run, depth: int, *, seed: int) -> Path:
    return run.directory / run.config["pretrain"]["run"]["job"] / f"depth-{depth}" / f"seed-{seed}"


def _train_rung(run: Run, pretrain: Callable[..., Any], depth: int, seeds: int) -> dict[str, Any]:
    """Train one depth for each seed; return the mean results over seeds and the cost of one training."""
    place = {"run.root": str(run.directory), "run.restart": run.restart}
    for seed in range(seeds):
        changes = changes_for_depth(run.config["pretrain"], depth)
        pretrain({**place, **changes, "run.name": f"depth-{depth}/seed-{seed}", "seed": seed})
    directories = [_rung_directory(run, depth, seed=seed) for seed in range(seeds)]
    results = [read_manifest(directory)["result"] for directory in directories]
    if any(BITS not in result for result in results):
        raise ValueError(
            f"{directories[0]} has no bits per byte of held-out text: use a corpus that holds some out, and set "
            "pretrain.validations=1"
        )
    cost = _cost(_read_description(directories[0]))
    bits = confidence_interval([result[BITS] for result in results])
    tokens = results[0]["tokens"]
    return {
        "depth": depth,
        "parameters": cost.parameters,
        "tokens": tokens,
        "flops": cost.flops_per_token * tokens,
        "loss": mean(result["validation/loss"] for result in results),
        "bits_per_byte": bits["mean"],
        "half_width": bits["half_width"],
        "values": bits["values"],
        "seconds": mean(result["seconds"] for result in results),
    }


def fit_laws(rungs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Fit a line and, if possible, a curve with a floor to all rungs; predict the largest rung from the others."""
    compute, bits = ([float(result[key]) for result in rungs] for key in ("flops", "bits_per_byte"))
    line, curve = fit_power_law(compute, bits), fit_power_law_with_floor(compute, bits)
    others = fit_power_law_with_floor(compute[:-1], bits[:-1]) or fit_power_law(compute[:-1], bits[:-1])
    held_out = {"depth": rungs[-1]["depth"], "measured": bits[-1], "predicted": others(compute[-1])}
    return {"line": asdict(line), "curve": asdict(curve) if curve else None, "held_out": held_out}


def _predict(
    study: Mapping[str, Any], description: dict[str, Any], depth: int, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Estimate the cost of a deeper rung, at the tokens per parameter of the last one, and predict its bits per byte.

    Args:
        study: Rungs and laws.
        description: Architecture of the deepest rung that was trained; changed in place.
        depth: Depth of the rung to predict.
        changes: Config changes for this depth.
    """
    for key, value in changes.items():
        group, *above, name = key.split(".")
        if group == "model":
            reduce(getitem, above, description)[name] = value
    cost, last = _cost(description), study["rungs"][-1]
    tokens = last["tokens"] / last["parameters"] * cost.parameters
    flops = cost.flops_per_token * tokens
    bits = PowerLaw(**(study["curve"] or study["line"]))(flops)
    return {"depth": depth, "parameters": cost.parameters, "tokens": tokens, "flops": flops, "bits_per_byte": bits}


def _read_description(directory: Path) -> dict[str, Any]:
    return json.loads((directory / ARCHITECTURE).read_text())


def _cost(description: Mapping[str, Any]) -> Cost:
    with torch.device("meta"):
        return model_cost(build(description))


def changes_for_depth(config: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Return the config changes of a pretraining run for another depth; keys that differ from the rules stay."""
    model, budget = config["model"], config["budget"]
    known = {"context": model["context"]}
    if budget.get("tokens_per_parameter"):
        known["tokens_per_parameter"] = budget["tokens_per_parameter"]
    given: dict[str, Any] = {}
    for key in rung(model["depth"], **known):
        value = _get(config, key)
        if value != rung(model["depth"], **known, given=given).get(key):
            given[key] = value
    return {key: value for key, value in rung(depth, **known, given=given).items() if key not in given}


def _get(config: Mapping[str, Any] | None, key: str) -> Any:
    """Return the value at a dotted key, or None if the selected option has no such key."""
    for name in key.split("."):
        config = (config or {}).get(name)
    return config
