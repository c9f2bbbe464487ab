"""One file of what many ranks have written, for those who want to copy or hand it on."""

import shutil
from pathlib import Path
from typing import Literal

from lm.checkpoint.checkpoint import ARCHITECTURE, WEIGHTS_PREFIX, AtomicCheckpointIO, checkpoint_path
from lm.checkpoint.safetensors import write_safetensors
from lm.run import Run


def consolidate(run: Run, path: str, which: Literal["best", "last"] = "best") -> None:
    """Gather a checkpoint of the finished run at `path` into one `last.ckpt` and one `model.safetensors`.

    It takes as much memory as the checkpoint, in this process alone. No other job needs it: all read parts as they are.
    """
    source = Path(path)
    if run.finished({"model": Run.fingerprint(source)}):
        print(f"consolidate nothing to do: {run.directory} is complete")
        return
    file = checkpoint_path(source, which)
    file = file if file.exists() else checkpoint_path(source, "last")  # a run without validation has no best
    files = AtomicCheckpointIO()
    checkpoint = files.load_checkpoint(file, weights_only=True)
    files.save_checkpoint(checkpoint, checkpoint_path(run.directory, "last"))
    weights = {name.removeprefix(WEIGHTS_PREFIX): value for name, value in checkpoint["state_dict"].items()}
    write_safetensors(run.directory / "model.safetensors", weights)
    for name in (ARCHITECTURE, "tokenizer.json"):
        shutil.copyfile(source / name, run.directory / name)
    outputs = ("checkpoints", "model.safetensors", ARCHITECTURE, "tokenizer.json")
    run.finish(outputs=[run.directory / output for output in outputs], result={"step": checkpoint["global_step"]})
    print(f"consolidate {file}, step {checkpoint['global_step']} → {run.directory}")
