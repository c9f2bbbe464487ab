"""`model.json`: the architecture of a run's model as plain data, from which the model is built again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lm.config.build import build
from lm.config.target import locate
from lm.files import report_damage, write_atomically
from lm.model import Transformer

ARCHITECTURE = "model.json"
ADAPTATION = ("quantise", "adapter")  # keys of model.json beside the model's own, in the order they are applied
BUILDABLE = ("lm.model.", "torch.nn.")  # targets that model.json may name: building one calls it


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
        ValueError: The description names a target outside lm.model and torch.nn, or another vocabulary size.
    """
    description = read_architecture(directory)
    foreign = next((target for target in _targets(description) if not _is_buildable(target)), None)
    if foreign:
        raise ValueError(
            f"{directory / ARCHITECTURE} names {foreign}, which is not part of lm.model or torch.nn; "
            "loading it would run it, so it is refused"
        )
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


def _is_buildable(target: str) -> bool:
    """Check the name and the defining module: `lm.model.attention.torch.load` only starts like a part of lm.model."""
    return target.startswith(BUILDABLE) and getattr(locate(target)[0], "__module__", "").startswith(BUILDABLE)


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
