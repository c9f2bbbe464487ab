"""A family of models trained rung by rung, and the law by which their loss falls with compute."""

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
from lm.checkpoint.checkpoint import ARCHITECTURE
from lm.config.build import build
from lm.config.ladder import rung
from lm.files import write_atomically
from lm.model import Cost, model_cost
from lm.report import scaling_page, scaling_table, scaling_verdict
from lm.report.power_law import PowerLaw, power_law, power_law_with_floor
from lm.run import Run
from lm.run.manifest import read_manifest
from lm.training.learning import interval

BITS = "validation/bits_per_byte"
FEWEST = 3  # rungs: two lie on a line whatever they are


def measure_scaling(
    run: Run,
    pretrain: Callable[..., Any],
    depths: list[Count],
    seeds: Count = 1,
) -> dict[str, Any]:
    """Call the job `pretrain` at each of `depths`, from each of `seeds`, and fit bits per byte as a power law of FLOPs.

    `lm.config.ladder` sets what follows from the depth, unless `pretrain` was given another value, which then holds
    at every depth. Each training is a named run below the directory: what is finished is not done again. The
    largest rung is also predicted from the others, and the law says what rungs half as high again, and twice as high,
    would take and reach.
    """
    if len({*depths}) < FEWEST:
        raise ValueError(f"depths={depths}: a law needs {FEWEST} different ones to be more than a guess")
    config = run.config["pretrain"]
    if "depth" not in config["model"]:
        raise ValueError("pretrain.model has no depth, which is what is varied: choose model@pretrain.model=rung")
    if run.finished({"data": build(config["data"]).fingerprint()}):
        found, told = run.result, "nothing to do"
    else:
        began = perf_counter()
        place = {"run.root": str(run.directory), "run.restart": run.restart}
        rungs = []
        for depth in sorted({*depths}):
            following = changes(config, depth)
            names = [f"depth-{depth}/seed-{seed}" for seed in range(seeds)]
            for seed, name in enumerate(names):
                pretrain({**place, **following, "run.name": name, "seed": seed})
            rungs.append(_measured(depth, [run.directory / config["run"]["job"] / name for name in names]))
        found = {"rungs": rungs, **fitted(rungs)}
        deepest = rungs[-1]["depth"]
        last = run.directory / config["run"]["job"] / f"depth-{deepest}" / "seed-0"
        higher = {depth: changes(config, depth) for depth in (-(-3 * deepest // 2), 2 * deepest)}
        found["ahead"] = [_foretold(found, last, depth, following) for depth, following in higher.items()]
        told = f"{len(rungs) * seeds} trainings in {perf_counter() - began:.0f} s"
        content = {
            "results.json": json.dumps(found, indent=2, ensure_ascii=False),
            "report.html": scaling_page(found),
        }
        for name, text in content.items():
            write_atomically(run.directory / name, text)
        run.finish(outputs=[run.directory / name for name in content], result=found)
    print("", scaling_table(found), scaling_verdict(found), f"scaling     {told} → {run.directory}", sep="\n\n")
    return found


def fitted(rungs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The law of all rungs, with a floor where they tell one, and the largest predicted from the others."""
    compute, bits = ([float(each[key]) for each in rungs] for key in ("flops", "bits_per_byte"))
    line, curve = power_law(compute, bits), power_law_with_floor(compute, bits)
    before = power_law_with_floor(compute[:-1], bits[:-1]) or power_law(compute[:-1], bits[:-1])
    held_out = {"depth": rungs[-1]["depth"], "measured": bits[-1], "predicted": before(compute[-1])}
    return {"line": asdict(line), "curve": asdict(curve) if curve else None, "held_out": held_out}


def _measured(depth: int, directories: Sequence[Path]) -> dict[str, Any]:
    """What the trainings of a rung gave, over their seeds, and what one of them took."""
    results = [read_manifest(directory)["result"] for directory in directories]
    if any(BITS not in result for result in results):
        raise ValueError(
            f"{directories[0]} has no bits per byte of held-out text: give a corpus that holds some out, and "
            "pretrain.validations=1"
        )
    cost = _cost(_description(directories[0]))
    bits = interval([result[BITS] for result in results])
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


def _foretold(found: Mapping[str, Any], last: Path, depth: int, following: Mapping[str, Any]) -> dict[str, Any]:
    """What a rung above the `last` that was trained would take, on as many tokens a parameter, and reach by the law."""
    description = _description(last)
    for key, value in following.items():
        group, *above, name = key.split(".")
        if group == "model":
            reduce(getitem, above, description)[name] = value
    cost, trained = _cost(description), found["rungs"][-1]
    tokens = trained["tokens"] / trained["parameters"] * cost.parameters
    flops = cost.flops_per_token * tokens
    bits = PowerLaw(**(found["curve"] or found["line"]))(flops)
    return {"depth": depth, "parameters": cost.parameters, "tokens": tokens, "flops": flops, "bits_per_byte": bits}


def _description(directory: Path) -> dict[str, Any]:
    return json.loads((directory / ARCHITECTURE).read_text())


def _cost(description: Mapping[str, Any]) -> Cost:
    with torch.device("meta"):
        return model_cost(build(description))


def changes(config: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """What `depth` changes in the config of a pretraining run; what was set to another value than followed stays."""
    model, budget = config["model"], config["budget"]
    known = {"context": model["context"]}
    if budget.get("tokens_per_parameter"):
        known["tokens_per_parameter"] = budget["tokens_per_parameter"]
    given: dict[str, Any] = {}
    for key in rung(model["depth"], **known):
        value = _at(config, key)
        if value != rung(model["depth"], **known, given=given).get(key):
            given[key] = value
    return {key: value for key, value in rung(depth, **known, given=given).items() if key not in given}


def _at(config: Mapping[str, Any] | None, key: str) -> Any:
    """The value at a dotted key; None where the chosen option has no such."""
    for name in key.split("."):
        config = (config or {}).get(name)
    return config
