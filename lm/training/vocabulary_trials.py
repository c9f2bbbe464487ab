"""Train small models with each vocabulary, on equal text and on equal FLOPs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.report import confidence_interval


def run_vocabulary_trials(
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
    """Train a model with each tokenizer for each seed; return bits per byte of held-out text by tokenizer.

    On equal text every model sees `megabytes`; on equal FLOPs as much text as the FLOPs allow that the cheapest model
    spends on `megabytes`. Batches have equally many tokens, so shorter sequences also mean fewer steps. Each training
    is a named run below `directory`; finished runs are not repeated.

    Args:
        results: Measurements of each tokenizer: `name`, `bytes_per_token`, `flops_per_byte`.
        directory: Directory of the comparison, with `tokenizers/NAME.json`.
        prepare: The job `corpus`.
        pretrain: The job `pretrain`; returns bits per byte.
        batch_tokens: Tokens per step.
        megabytes: Megabytes of text for each model.
        seeds: Trainings per tokenizer and length.
        restart: Whether to repeat finished runs.

    Returns:
        Name → `bytes` and `flops`, each with `steps`, `bytes`, and the mean and interval of bits per byte.
    """
    max_flops = megabytes * 1e6 * min(result["flops_per_byte"] for result in results)
    place = {"run.root": str(directory), "run.restart": restart}
    trials: dict[str, dict[str, Any]] = {}
    for result in results:
        name, step_bytes = result["name"], batch_tokens * result["bytes_per_token"]
        sizes = {"bytes": megabytes * 1e6, "flops": max_flops / result["flops_per_byte"]}
        prepare({**place, "run.name": name, "tokenizer.path": str(directory / "tokenizers" / f"{name}.json")})
        corpus = str(directory / "corpus" / name)
        paths = {"data.path": corpus, "tokenizer.path": corpus}
        trials[name] = {}
        for equal, size in sizes.items():
            steps = max(1, round(size / step_bytes))
            trial = next((trial for trial in trials[name].values() if trial["steps"] == steps), None)
            if trial is None:
                length = {"budget.steps": steps, "budget.batch_tokens": batch_tokens}
                runs = [{"run.name": f"{name}/{steps}-steps-seed-{seed}", "seed": seed} for seed in range(seeds)]
                bits = [pretrain({**place, **paths, **length, **run}) for run in runs]
                trial = {"steps": steps, "bytes": steps * step_bytes, **confidence_interval(bits)}
            trials[name][equal] = trial
    return trials
