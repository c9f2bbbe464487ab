"""Run directories of evaluations and studies with what each kind records, made by hand."""

import json
from pathlib import Path
from typing import Any

from lm.directory import Run

TASK = {
    "main": "accuracy",
    "metrics": {
        "accuracy": {"value": 0.58, "interval": [0.48, 0.67], "share": True, "chance": 0.5, "majority": 0.55},
        "gold_bits": {"value": 3.6, "interval": [3.5, 3.7], "share": False, "chance": None, "majority": None},
    },
    "groups": {"kind": {"age": {"value": 1.0, "interval": [0.2, 1.0], "share": True, "chance": 0.5, "units": 1}}},
}
TEXT = {
    "all": {"bits_per_byte": 2.0, "interval": [1.9, 2.1], "perplexity": 9.0},
    "kind": {"prose": {"bits_per_byte": 2.0, "interval": [1.9, 2.1]}},
    "source": {
        "a": {"bits_per_byte": 1.0, "interval": [0.9, 1.1]},
        "b": {"bits_per_byte": 2.5, "interval": [2.4, 2.6]},
    },
    "calibration": {"bins": [{"confidence": 0.2, "accuracy": 0.1}, {"confidence": 0.9, "accuracy": 0.8}]},
    "position": [{"from": 1, "to": 1, "nats": 4.0}, {"from": 2, "to": 3, "nats": 3.0}],
}
BITS = {"code": {"bytes": 9, "model": 2.3, "xz": 1.8, "gzip": 2.0}, "prose": {"model": 2.6, "xz": 2.1, "gzip": 2.3}}
ANSWERS = {"all": {"questions": 5, "bits_per_byte": 2.8, "word_for_word": 0.0, "interval": [0.0, 0.4]}}


def make_evaluation(root: Path, **results: Any) -> Path:
    run = Run("evaluate", name="default", root=str(root))
    run.open({"run": {"root": str(root)}})
    run.finished({})
    folder = run.directory / "evaluations"
    folder.mkdir()
    for name, each in results.items():
        (folder / f"{name}.txt").write_text(f"table of {name} </pre>\n")
        (folder / f"{name}.json").write_text(json.dumps({"results": each}))
    run.finish(outputs=[folder], result=results)
    run.close()
    return run.directory


def make_study(root: Path, **result: Any) -> Path:
    """Make the directory of a finished study with a result; return it."""
    run = Run("study", name="default", root=str(root))
    run.open({"run": {"root": str(root)}})
    run.finished({})
    run.finish(outputs=[], result=result)
    run.close()
    return run.directory
