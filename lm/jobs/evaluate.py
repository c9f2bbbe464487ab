"""Measure a trained model with every evaluation of the config."""

import json
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from lm.evaluation import Evaluation
from lm.files import write_atomically
from lm.model import ModelSource
from lm.run import Run
from lm.run.manifest import read_manifest
from lm.tokenizer import Tokenizer


def evaluate(
    run: Run, model: ModelSource, tokenizer: Tokenizer, evaluations: Mapping[str, Evaluation]
) -> dict[str, Any]:
    """Run each evaluation, write results.json and print their tables.

    Args:
        run: The run whose directory receives results.json.
        model: Where the model comes from; its path is a finished run.
        tokenizer: The model's tokenizer.
        evaluations: Evaluations by name; the results are recorded under the same names.

    Returns:
        Results by name of the evaluation.

    Raises:
        ValueError: An evaluation would measure on data that the model was trained on.
    """
    started_at = perf_counter()
    _check_held_out(model.origin, evaluations)
    data = {name: evaluation.fingerprint() for name, evaluation in evaluations.items()}
    if run.finished({"tokenizer": tokenizer.fingerprint, **model.fingerprint(), **data}):
        results, outcome = run.result, "nothing to do"
    else:
        network = model.build(vocab_size=tokenizer.vocab_size)
        results = {name: evaluation(network, tokenizer) for name, evaluation in evaluations.items()}
        write_atomically(run.directory / "results.json", json.dumps(results, indent=2) + "\n")
        run.finish(outputs=[run.directory / "results.json"], result=results)
        outcome = f"{', '.join(evaluations)} in {perf_counter() - started_at:.0f} s"
    run.console.block(*(evaluation.table(results[name]) for name, evaluation in evaluations.items()))
    run.console.line(f"{outcome} → {run.directory}", before="\n")
    return results


def _check_held_out(directory: Path | None, evaluations: Mapping[str, Evaluation]) -> None:
    """Refuse an evaluation that holds out more than the training of the run in `directory` did.

    A split holds out the items of lowest rank, so a smaller share is part of a larger one.
    """
    trained = read_manifest(directory)["config"] if directory else {}
    share = ((trained.get("data") or {}).get("split") or {}).get("share")
    for name, evaluation in evaluations.items():
        if share is not None and evaluation.split is not None and evaluation.split.share > share:
            raise ValueError(
                f"evaluations.{name}.split.share={evaluation.split.share:g} includes data that {directory} was trained "
                f"on: it held out {share:g}; set evaluations.{name}.split.share={share:g}"
            )
