"""Gather a checkpoint into single files, to copy or to publish."""

import shutil
from typing import Literal

from lm.checkpoint import RunModel
from lm.checkpoint.architecture import ARCHITECTURE
from lm.checkpoint.files import IDENTITY, WEIGHTS_PREFIX, AtomicCheckpointIO, checkpoint_path
from lm.checkpoint.safetensors import write_safetensors
from lm.conversation import inherit_template
from lm.directory import Run


def consolidate(run: Run, path: str, which: Literal["best", "last", "stable"] = "best") -> None:
    """Gather a checkpoint of a finished run into one `last.ckpt` and one `model.safetensors`.

    One process holds the whole checkpoint in memory. No other job needs this: all read distributed checkpoints.

    Args:
        run: Name and directory of the gathered checkpoint.
        path: Directory of the finished run, as outputs/pretrain/default.
        which: Checkpoint to gather: best, last, or stable, the one before the learning rate decayed. A run without
            validation has no best; its last is gathered then.
    """
    source = RunModel(path, which=which)
    parent = source.parent()
    if run.finished(source.fingerprint(), parent=parent):
        run.console.line(f"nothing to do: {run.directory} is complete")
        return
    files = AtomicCheckpointIO()
    checkpoint = files.load_checkpoint(source.checkpoint, weights_only=True)
    checkpoint[IDENTITY] = run.identity
    files.save_checkpoint(checkpoint, checkpoint_path(run.directory, "last"))
    weights = {name.removeprefix(WEIGHTS_PREFIX): value for name, value in checkpoint["state_dict"].items()}
    write_safetensors(run.directory / "model.safetensors", weights)
    for name in (ARCHITECTURE, "tokenizer.json"):
        shutil.copyfile(source.origin / name, run.directory / name)
    outputs = [run.directory / each for each in ("checkpoints", "model.safetensors", ARCHITECTURE, "tokenizer.json")]
    run.finish(outputs=[*outputs, *inherit_template(run.directory, source.origin)], result={"step": parent["step"]})
    run.console.line(f"{source.checkpoint}, step {parent['step']} → {run.directory}")
