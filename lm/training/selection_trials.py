"""Selection trials: train on the chosen conversations and on as many random ones, and compare."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lm.corpus import Split
from lm.curation.candidates import CHOSEN, Candidate, write_records
from lm.directory.manifest import read_manifest
from lm.report import confidence_interval

RANDOM = "random"


def run_selection_trials(
    directory: Path,
    candidates: Sequence[Candidate],
    held_out: Sequence[Candidate],
    instruct: Callable[..., Any],
    split: Split,
    *,
    count: int,
    seeds: int,
    restart: bool,
) -> dict[str, Any]:
    """Bits per byte of held-out answers after training on the chosen conversations, and on as many random ones.

    Both use the same held-out conversations, epochs and seeds; each seed draws other random conversations. Each
    training is a named run of its own.
    """
    bits: dict[str, list[float]] = {CHOSEN: [], RANDOM: []}
    tokens: dict[str, list[int]] = {CHOSEN: [], RANDOM: []}
    chosen = [each for each in candidates if each.outcome == CHOSEN]
    root = directory / "learned"
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).permutation(len(candidates))[:count]
        for arm, members in ((CHOSEN, chosen), (RANDOM, [candidates[index] for index in drawn.tolist()])):
            name = f"{arm}-seed-{seed}"
            file = root / f"{name}.jsonl"
            write_records(file, (each.messages for each in [*members, *held_out]))
            overrides = {"data.conversations.path": str(file), "data.split.share": split.share, "seed": seed}
            overrides |= {"run.root": str(root), "run.name": name, "run.restart": restart}
            bits[arm].append(instruct(overrides))
            tokens[arm].append(read_manifest(root / "instruct" / name)["result"]["tokens"])
    differences = [one - other for one, other in zip(bits[CHOSEN], bits[RANDOM], strict=True)]
    arms = {arm: confidence_interval(values) | {"tokens": tokens[arm]} for arm, values in bits.items()}
    return arms | {"difference": confidence_interval(differences)}
