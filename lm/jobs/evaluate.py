"""Measure a trained model by every evaluation of the config."""

import json
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Protocol

from lm.checkpoint.checkpoint import weights_fingerprint
from lm.files import write_atomically
from lm.model import Transformer
from lm.run import Run
from lm.run.manifest import read_manifest
from lm.tokenizer import Tokenizer


class Evaluation(Protocol):
    """Anything that turns a model into plain results, and those into a table."""

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]: ...

    def table(self, results: dict[str, Any]) -> str: ...

    def fingerprint(self) -> str: ...


def evaluate(
    run: Run, model: Callable[..., Transformer], tokenizer: Tokenizer, evaluations: Mapping[str, Evaluation]
) -> dict[str, Any]:
    """Print a table for each evaluation and keep all results in results.json."""
    began = perf_counter()
    _refuse_trained_on(run.config, evaluations)
    asked = {name: evaluation.fingerprint() for name, evaluation in evaluations.items()}
    if run.finished({"tokenizer": tokenizer.fingerprint, **weights_fingerprint(run.config["model"]), **asked}):
        results = run.result
        told = "nothing to do"
    else:
        network = model(vocab_size=tokenizer.vocab_size)
        results = {name: evaluation(network, tokenizer) for name, evaluation in evaluations.items()}
        write_atomically(run.directory / "results.json", json.dumps(results, indent=2) + "\n")
        run.finish(outputs=[run.directory / "results.json"], result=results)
        told = f"{', '.join(evaluations)} in {perf_counter() - began:.0f} s"
    for name, evaluation in evaluations.items():
        print(f"\n{evaluation.table(results[name])}")
    print(f"\nevaluate    {told} → {run.directory}")
    return results


def _refuse_trained_on(config: Mapping[str, Any], evaluations: Mapping[str, Evaluation]) -> None:
    """Raise where an evaluation would hold out more than the model's own training did, and so ask what it has learned.

    Smaller shares are part of larger ones, since a split goes by the rank of each item.
    """
    directory = config["model"].get("path")
    trained = read_manifest(directory)["config"] if directory else {}
    share = ((trained.get("data") or {}).get("split") or {}).get("share")
    for name, evaluation in evaluations.items():
        split = getattr(evaluation, "split", None)
        if share is not None and split is not None and split.share > share:
            raise ValueError(
                f"evaluations.{name}.split.share={split.share:g} asks what {directory} was trained on: it held out "
                f"{share:g}; set evaluations.{name}.split.share={share:g}"
            )
