"""Gather a checkpoint into single files, to copy or to publish."""

import shutil
from pathlib import Path
from typing import Literal

from lm.checkpoint.architecture import ARCHITECTURE
from lm.checkpoint.files import IDENTITY, WEIGHTS_PREFIX, AtomicCheckpointIO, checkpoint_path
from lm.checkpoint.safetensors import write_safetensors
from lm.run import Run


def consolidate(run: Run, path: str, which: Literal["best", "last"] = "best") -> None:
    """Gather a checkpoint of a finished run into one `last.ckpt` and one `model.safetensors`.

    One process holds the whole checkpoint in memory. No other job needs this: all read distributed checkpoints.

    Args:
        run: Name and directory of the gathered checkpoint.
        path: Directory of the finished run, as outputs/pretrain/default.
        which: Checkpoint to gather: best or last. A run without validation has no best; its last is gathered then.
    """
    source = Path(path)
    if run.finished({"model": Run.fingerprint(source)}):
        run.console.line(f"nothing to do: {run.directory} is complete")
        return
    file = checkpoint_path(source, which)
    file = file if file.exists() else checkpoint_path(source, "last")
    files = AtomicCheckpointIO()
    checkpoint = files.load_checkpoint(file, weights_only=True)
    checkpoint[IDENTITY] = run.identity
    files.save_checkpoint(checkpoint, checkpoint_path(run.directory, "last"))
    weights = {name.removeprefix(WEIGHTS_PREFIX): value for name, value in checkpoint["state_dict"].items()}
    write_safetensors(run.directory / "model.safetensors", weights)
    for name in (ARCHITECTURE, "tokenizer.json"):
        shutil.copyfile(source / name, run.directory / name)
    outputs = ("checkpoints", "model.safetensors", ARCHITECTURE, "tokenizer.json")
    run.finish(outputs=[run.directory / output for output in outputs], result={"step": checkpoint["global_step"]})
    run.console.line(f"{file}, step {checkpoint['global_step']} → {run.directory}")
