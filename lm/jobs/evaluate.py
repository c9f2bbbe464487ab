"""Measure a trained model with every evaluation of the config."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from lm.config.faults import errors_at
from lm.directory import Run
from lm.directory.manifest import read_manifest
from lm.evaluation import Evaluation
from lm.evaluation.centred import centred_mean
from lm.evaluation.division import divided, of_first
from lm.evaluation.record import EvaluationRecord, find_record
from lm.files import hash_json, write_atomically
from lm.model import ModelSource
from lm.process.ranks import is_first_process
from lm.tokenizer import Tokenizer
from lm.tokenizer.model_folder import is_model_folder


def evaluate(
    run: Run, model: ModelSource, tokenizer: Tokenizer, evaluations: Mapping[str, Evaluation]
) -> dict[str, Any]:
    """Run each evaluation, record its results and print its table.

    The directory of the run receives results.json, and of each evaluation NAME.json, NAME.txt and, where it has items,
    NAME.items.jsonl. A result that another run has recorded, of the same model, data and config, is taken from there.

    Args:
        run: The run whose directory receives the results.
        model: Where the model comes from; its path is a finished run.
        tokenizer: The model's tokenizer.
        evaluations: Evaluations by name; the results are recorded under the same names.

    Returns:
        Results by name of the evaluation.

    Raises:
        ValueError: An evaluation would measure on data that the model was trained on, or cannot read its data.
    """
    started_at = perf_counter()
    _check_held_out(model.origin, evaluations)
    with divided():
        return _evaluated(run, model, tokenizer, evaluations, started_at)


def _evaluated(
    run: Run, model: ModelSource, tokenizer: Tokenizer, evaluations: Mapping[str, Evaluation], started_at: float
) -> dict[str, Any]:
    """Measure, record and print; every rank does all but write."""
    data = {}
    for name, evaluation in evaluations.items():
        with errors_at(f"evaluations.{name}", evaluation):
            data[name] = evaluation.fingerprint()
    origin = {"tokenizer": tokenizer.fingerprint, **model.fingerprint()}
    finished = run.finished({**origin, **data})
    if of_first(finished):
        results, outcome = of_first(run.result), "nothing to do"
    else:
        records = _measured(run, model, tokenizer, evaluations, origin, data)
        results = {name: record.results for name, record in records.items()}
        if is_first_process():
            write_atomically(run.directory / "results.json", json.dumps(results, indent=2) + "\n")
        files = [file for name, record in records.items() for file in record.files(run.directory, name)]
        run.finish(outputs=[run.directory / "results.json", *files], result=results)
        outcome = f"{', '.join(evaluations)} in {perf_counter() - started_at:.0f} s"
    tables = [evaluation.table(results[name]) for name, evaluation in evaluations.items()]
    run.console.block(*tables, *_centred(results))
    run.console.line(f"{outcome} → {run.directory}", before="\n")
    return results


def _centred(results: Mapping[str, Any]) -> list[str]:
    """A line on the mean of several benchmarks above chance."""
    found = centred_mean(results)
    if found is None:
        return []
    low, high = found["interval"]
    scale = f"centred mean of {len(found['tasks'])} (0 is chance, 1 all right)"
    return [f"{scale}: {found['value']:.3f} ({low:.3f} – {high:.3f})"]


def _measured(
    run: Run,
    model: ModelSource,
    tokenizer: Tokenizer,
    evaluations: Mapping[str, Evaluation],
    origin: Mapping[str, str],
    data: Mapping[str, str],
) -> dict[str, EvaluationRecord]:
    """Measure what no run has measured yet, and write the record of each evaluation as soon as it is there."""
    network, records, found = None, {}, {}
    hashes = {
        name: {
            **origin,
            "data": data[name],
            "config": hash_json(_without_places(run.config.get("evaluations", {}).get(name))),
            "model_config": hash_json(_without_places(run.config.get("model"))),
        }
        for name in evaluations
    }
    for name, evaluation in evaluations.items():
        found[name] = of_first(find_record(Path(run.root, run.job), name, hashes[name]))
        if found[name] is None:
            with errors_at(f"evaluations.{name}", evaluation):
                evaluation.check()
    for name, evaluation in evaluations.items():
        record = found[name]
        if record is None:
            network = network or model.build(vocab_size=tokenizer.vocab_size)
            with errors_at(f"evaluations.{name}", evaluation):
                results = evaluation(network, tokenizer)
            items = results.pop("items", [])
            record = EvaluationRecord(name, hashes[name], results, items, evaluation.table(results))
        else:
            run.console.line(f"{name} was measured before: {record.found}")
        if is_first_process():
            record.write(run.directory, name)
        records[name] = record
    return records


def _without_places(value: Any) -> Any:
    """A config without where files lie, which the hashes of the data stand for, and without sizes of batches."""
    if isinstance(value, Mapping):
        return {
            key: _without_places(each)
            for key, each in value.items()
            if key not in ("path", "paths", "batch_tokens", "rows")
        }
    return (
        [_without_places(each) for each in value]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else value
    )


def _check_held_out(directory: Path | None, evaluations: Mapping[str, Evaluation]) -> None:
    """Refuse an evaluation that holds out more than the training of the run in `directory` did.

    A split holds out the items of lowest rank, so a smaller share is part of a larger one.
    """
    trained = read_manifest(directory)["config"] if directory and not is_model_folder(directory) else {}
    share = ((trained.get("data") or {}).get("split") or {}).get("share")
    for name, evaluation in evaluations.items():
        if share is not None and evaluation.split is not None and evaluation.split.share > share:
            raise ValueError(
                f"evaluations.{name}.split.share={evaluation.split.share:g} includes data that {directory} was trained "
                f"on: it held out {share:g}; set evaluations.{name}.split.share={share:g}"
            )
