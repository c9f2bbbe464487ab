"""Checkpoints that are whole or absent and hold plain data only; a model with what it takes to build it again.

A run directory stands alone: `model.json` (the architecture: targets and numbers), `tokenizer.json`, and
`checkpoints/{last,best}.ckpt`, which load with `weights_only=True`: no class of ours, no pickle that runs.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from zipfile import ZipFile

import torch
from lightning import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lm.checkpoint.sharded import GO_ON, WEIGHTS, check_parts, is_parts, make_way, read_whole, remove_parts
from lm.config.build import build
from lm.config.target import locate
from lm.files import atomic_path, undamaged, write_atomically
from lm.model import Transformer, freeze, merge
from lm.run import Run

ARCHITECTURE = "model.json"
FROM_RUN = "lm.checkpoint.load_model"
WEIGHTS_PREFIX = "model."  # the objective holds the network under this name
ADAPTATION = ("quantise", "adapter")  # what a model.json has beside the model, in the order of being applied
BUILDABLE = ("lm.model.", "torch.nn.")  # what a model.json may name; anything else it names would be run


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints, written beside their place, synced to disk, then renamed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            torch.save(checkpoint, file)
            make_way(Path(path))
        remove_parts(Path(path).parent, stem=Path(path).stem)  # of a run that began with many ranks

    def load_checkpoint(self, path: str | Path, **options: Any) -> dict[str, Any]:
        with undamaged(path, GO_ON):
            check_whole(path)
            return read_whole(path) if is_parts(path) else super().load_checkpoint(path, **options)


def check_whole(path: str | Path) -> None:
    """Raise where the file is not bit for bit what was written: torch keeps checksums, but does not look at them."""
    if is_parts(path):
        check_parts(path)
        return
    with ZipFile(path) as file:
        if damaged := file.testzip():
            raise ValueError(f"its {damaged} is not what was written")


def checkpoint_path(directory: str | Path, which: str) -> Path:
    """Where a run keeps its `last` or `best` checkpoint."""
    return Path(directory) / "checkpoints" / f"{which}.ckpt"


def save(trainer: Trainer, which: str) -> None:
    """Write the state of the run as it is after the present step."""
    trainer.save_checkpoint(checkpoint_path(trainer.default_root_dir, which), weights_only=False)


def architecture(node: Mapping[str, Any], *, vocab_size: int) -> dict:
    """The plain description of the model that a `model` config node makes."""
    if node["_target_"] == FROM_RUN:
        before = _read_architecture(Path(node["path"]))
        given = {key: node[key] for key in ADAPTATION if node.get(key)}
        return {key: value for key, value in before.items() if key not in ADAPTATION} | given
    return {key: value for key, value in node.items() if key != "_partial_"} | {"vocab_size": vocab_size}


def write_architecture(directory: Path, description: dict) -> Path:
    """Keep the description beside the weights."""
    write_atomically(directory / ARCHITECTURE, json.dumps(description, indent=2) + "\n")
    return directory / ARCHITECTURE


def weights_fingerprint(node: Mapping[str, Any]) -> dict[str, str]:
    """What a `model` config node reads, for a manifest: nothing, or the run it starts from."""
    if node["_target_"] != FROM_RUN:
        return {}
    return {"model": Run.fingerprint(Path(node["path"]))}


def load_model(
    path: str,
    *,
    vocab_size: int | None = None,
    which: Literal["best", "last"] = "best",
    quantise: Callable[[Transformer], None] | None = None,
    adapter: Callable[[Transformer], None] | None = None,
    freeze: list[str] | None = None,
) -> Transformer:
    """A trained model from a run directory, in evaluation mode.

    `best` is by validation; a run without validation has only a `last`. With `vocab_size`, a model for another
    vocabulary is refused. What a run had adapted or quantised is merged: a plain model comes out, as fast as any. To
    train it further, `quantise` stores its matrices in fewer bits, `adapter` puts a few new weights beside them that
    train in their place, and what `freeze` names does not train: parts, as `embedding` or `blocks.0`.
    """
    directory = Path(path)
    model = _untrained(directory, vocab_size)
    file = checkpoint_path(directory, which)
    if not file.exists() and file.relative_to(directory).as_posix() in Run.made(directory):
        raise ValueError(f"{file} is missing, though its run made it: copy it anew, or ask for the other one by which=")
    file = file if file.exists() else checkpoint_path(directory, "last")
    if not file.exists():
        raise ValueError(f"{directory} has no checkpoint yet: finish its run first")
    with undamaged(file, "finish its run again, or copy it anew"):
        check_whole(file)
        if is_parts(file):
            weights = read_whole(file, prefix=WEIGHTS)["state_dict"]
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
        model.load_state_dict(
            {
                name.removeprefix(WEIGHTS_PREFIX): value
                for name, value in weights.items()
                if name.startswith(WEIGHTS_PREFIX)
            }
        )
    merge(model)
    return _adapted(model, quantise, adapter, freeze).eval()


def context_of(path: str) -> int:
    """How many tokens the trained model in a run directory sees at once, without reading its weights."""
    return _read_architecture(Path(path))["context"]


def sketch_model(model: Callable[..., Transformer], node: Mapping[str, Any], *, vocab_size: int) -> Transformer:
    """The model that `model`, made from a config `node`, would give, without reading weights: to plan with."""
    if node["_target_"] != FROM_RUN:
        return model(vocab_size=vocab_size)
    plain = _untrained(Path(node["path"]), vocab_size)
    merge(plain)
    return _adapted(plain, *(build(node.get(key)) for key in ADAPTATION), node.get("freeze"))


def _adapted(
    model: Transformer,
    quantise: Callable[[Transformer], None] | None,
    adapter: Callable[[Transformer], None] | None,
    patterns: list[str] | None,
) -> Transformer:
    """The model as it is to be trained further."""
    if quantise is not None and adapter is None:
        raise ValueError(
            "model.quantise stores the matrices of the blocks so that they cannot train: put an adapter beside them, "
            "as model/adapter=lora"
        )
    for change in (quantise, adapter):
        if change is not None:
            change(model)
    if patterns:
        freeze(model, patterns)
    return model


def _untrained(directory: Path, vocab_size: int | None) -> Transformer:
    """The model that a directory describes, adapted as it was, with weights that mean nothing yet."""
    description = _read_architecture(directory)
    foreign = [target for target in _targets(description) if not _is_part(target)]
    if foreign:
        raise ValueError(
            f"{directory / ARCHITECTURE} names {foreign[0]}, which is not part of lm.model or torch.nn; "
            "loading it would run it, so it is refused"
        )
    if vocab_size is not None and description["vocab_size"] != vocab_size:
        raise ValueError(
            f"the model at {directory} has a vocabulary of {description['vocab_size']}, the tokenizer "
            f"{vocab_size}: use {directory}/tokenizer.json and data prepared with it"
        )
    changes = [build(description.pop(key, None)) for key in ADAPTATION]
    model = build(description)
    for change in changes:
        if change is not None:
            change(model)
    return model


def _read_architecture(directory: Path) -> dict:
    file = directory / ARCHITECTURE
    if not file.exists():
        what = "is not a trained model" if directory.is_dir() else "does not exist"
        raise ValueError(
            f"model.path={directory} {what} (no {ARCHITECTURE}): give the directory of a pretrain or "
            "instruct run, as outputs/pretrain/default"
        )
    with undamaged(file, "restart its run with run.restart=true, or copy it anew"):
        description = json.loads(file.read_text())
        description["_target_"], description["vocab_size"]  # without which it describes nothing
    return description


def _is_part(target: str) -> bool:
    """Also by where it is defined: `lm.model.attention.torch.load` only begins like a part of ours."""
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
