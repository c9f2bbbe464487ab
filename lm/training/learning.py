"""What a vocabulary buys: a small model trained with each, on the same text and on the same arithmetic."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.report.statistics import interval


def learn(
    results: Sequence[Mapping[str, Any]],
    directory: Path,
    *,
    prepare: Callable[..., Any],
    pretrain: Callable[..., Any],
    batch_tokens: int,
    megabytes: float,
    seeds: int,
    restart: bool,
) -> dict[str, dict[str, Any]]:
    """Bits per byte on held-out text by tokenizer, after equal bytes and after equal FLOPs, for each of `seeds`.

    Every model sees `megabytes` of text; or as much as it can for the FLOPs that the cheapest of them spends on that.
    Batches are of equally many tokens, so shorter sequences also mean fewer steps. Each training is a named run below
    `directory`: what is finished is not done again.
    """
    allowed = megabytes * 1e6 * min(found["flops_per_byte"] for found in results)
    learned: dict[str, dict[str, Any]] = {}
    for found in results:
        name, per_step = found["name"], batch_tokens * found["bytes_per_token"]
        sizes = {"bytes": megabytes * 1e6, "flops": allowed / found["flops_per_byte"]}
        place = {"run.root": str(directory), "run.restart": restart}
        tokenizer = str(directory / "tokenizers" / f"{name}.json")
        prepare({**place, "run.name": name, "tokenizer.path": tokenizer})
        corpus = str(directory / "corpus" / name)
        learned[name] = {}
        for equal, size in sizes.items():
            steps = max(1, round(size / per_step))
            twin = next((each for each in learned[name].values() if each["steps"] == steps), None)
            if twin is None:
                paths = {"data.path": corpus, "tokenizer.path": corpus}
                length = {"budget.steps": steps, "budget.batch_tokens": batch_tokens}
                runs = [{"run.name": f"{name}/{steps}-steps-seed-{seed}", "seed": seed} for seed in range(seeds)]
                bits = [pretrain({**place, **paths, **length, **each}) for each in runs]
                twin = {"steps": steps, "bytes": steps * per_step, **interval(bits)}
            learned[name][equal] = twin
    return learned
