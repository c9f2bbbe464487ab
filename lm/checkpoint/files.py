"""Lightning's checkpoints as files that are whole or absent, and hold plain data only (`weights_only=True`)."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from lightning import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lm.checkpoint.sharded import DAMAGE_REMEDY, check_parts, is_parts, move_directory_aside, read_whole, remove_parts
from lm.files import atomic_path, report_damage

WEIGHTS_PREFIX = "model."  # the objective holds the network under this name


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints under a temporary name, sync them to disk, then rename them."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            torch.save(checkpoint, file)
            move_directory_aside(Path(path))
        remove_parts(Path(path).parent, stem=Path(path).stem)  # of a run that started with distributed checkpoints

    def load_checkpoint(self, path: str | Path, **options: Any) -> dict[str, Any]:
        with report_damage(path, DAMAGE_REMEDY):
            check_whole(path)
            return read_whole(path) if is_parts(path) else super().load_checkpoint(path, **options)


def check_whole(path: str | Path) -> None:
    """Raise ValueError if the file differs from what was written: torch stores checksums, but does not check them."""
    if is_parts(path):
        check_parts(path)
        return
    with ZipFile(path) as file:
        if damaged := file.testzip():
            raise ValueError(f"its {damaged} is not what was written")


def checkpoint_path(directory: str | Path, which: str) -> Path:
    """Return where a run directory has its `last` or `best` checkpoint."""
    return Path(directory) / "checkpoints" / f"{which}.ckpt"


def save(trainer: Trainer, which: str) -> None:
    """Write the state of the run after the current step."""
    trainer.save_checkpoint(checkpoint_path(trainer.default_root_dir, which), weights_only=False)
