"""`model.json`: the architecture of a run's model as plain data, from which the model is built again."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lm.config.build import build
from lm.config.trust import locate_trusted
from lm.files import report_damage, write_atomically
from lm.model import Transformer

ARCHITECTURE = "model.json"
MERGED = ("quantise", "adapter")  # changes of a model that are merged when it is loaded
ADAPTATION = (*MERGED, "head")  # keys of model.json beside the model's own, in the order they are applied
BUILDABLE = ("lm.model", "torch.nn")  # packages that model.json may name without trust: building a part calls it


def write_architecture(directory: Path, description: dict) -> Path:
    """Write `description` beside the weights."""
    write_atomically(directory / ARCHITECTURE, json.dumps(description, indent=2) + "\n")
    return directory / ARCHITECTURE


def read_architecture(directory: Path) -> dict:
    """Read the description of the model in a run directory.

    Raises:
        ValueError: The directory has no `model.json`, or a damaged one.
    """
    file = directory / ARCHITECTURE
    if not file.exists():
        problem = "is not a trained model" if directory.is_dir() else "does not exist"
        raise ValueError(
            f"model.path={directory} {problem} (no {ARCHITECTURE}): give the directory of a pretrain or "
            "instruct run, as outputs/pretrain/default"
        )
    with report_damage(file, "restart its run with run.restart=true, or copy it again"):
        description = json.loads(file.read_text())
        description["_target_"], description["vocab_size"]  # required
    return description


def build_architecture(directory: Path, *, vocab_size: int | None, context: int | None = None) -> Transformer:
    """Build the model that a run directory describes, adapted and quantised as it was trained, with random weights.

    Args:
        directory: The run directory.
        vocab_size: Size of the vocabulary that is wanted; None for the described one.
        context: Context that is wanted; None for the described one.

    Raises:
        ValueError: The description names a part outside lm.model and torch.nn whose package the command does not
            trust, or another vocabulary size.
    """
    description = read_architecture(directory)
    if complaint := _complaint(description):
        raise ValueError(f"{directory / ARCHITECTURE} names {complaint}")
    if vocab_size is not None and description["vocab_size"] != vocab_size:
        raise ValueError(
            f"the model at {directory} has a vocabulary of {description['vocab_size']}, the tokenizer "
            f"{vocab_size}: use {directory}/tokenizer.json and data prepared with it"
        )
    if context is not None:
        description["context"] = context
    changes = [build(description.pop(key, None)) for key in ADAPTATION]
    model = build(description)
    for change in changes:
        if change is not None:
            change(model)
    return model


def context_of(path: str) -> int:
    """Return the context, in tokens, of the trained model in a run directory, without reading its weights."""
    return read_architecture(Path(path))["context"]


def check_loadable(description: Mapping[str, Any]) -> None:
    """Refuse to train a model that no later job would load from its run directory.

    Args:
        description: The content of `model.json`.

    Raises:
        ValueError: It names a part of a package that is not trusted, or holds an object that is no plain data.
    """
    if complaint := _complaint(description):
        raise ValueError(
            f"model names {complaint}; later jobs that load this model need the same trust on their own command line"
        )
    for key, value in description.items():
        try:
            json.dumps(value)
        except TypeError as error:
            raise ValueError(
                f"model.{key} cannot be written to {ARCHITECTURE} ({error}), so no later job could load the model: "
                f"give parts as factories, with _partial_: true"
            ) from None


def _complaint(description: Mapping[str, Any]) -> str:
    """The first target that may not be built, and why; "" if all may."""
    complaints = (locate_trusted(target, BUILDABLE)[1] for target in _targets(description))
    return next(filter(None, complaints), "")


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
