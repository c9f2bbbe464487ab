"""Lightning's checkpoints as files that are whole or absent, and hold plain data only (`weights_only=True`)."""

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from lightning import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lm.checkpoint.sharded import check_parts, is_parts, move_directory_aside, read_rest, read_whole, remove_parts
from lm.files import atomic_path, report_damage

IDENTITY = "run"  # the key under which a checkpoint says which run it is of
WEIGHTS_PREFIX = "model."  # the objective holds the network under this name

AGAIN = "set run.restart=true to start again"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints under a temporary name, sync them to disk, then rename them."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            torch.save(checkpoint, file)
            move_directory_aside(Path(path))
        remove_parts(Path(path).parent, stem=Path(path).stem)  # of a run that started with distributed checkpoints

    def load_checkpoint(self, path: str | Path, **options: Any) -> dict[str, Any]:
        with report_checkpoint_damage(path):
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


def read_facts(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint but for the content of its tensors, which stay on disk: a moment, whatever the size."""
    if is_parts(path):
        return read_rest(path)
    with ZipFile(path):  # else torch complains about mmap
        pass
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def check_identity(path: str | Path, checkpoint: Mapping[str, Any], identity: str | None) -> None:
    """Raise ValueError if the checkpoint says that it is of another run; one of an earlier version says nothing."""
    found = checkpoint.get(IDENTITY)
    if None not in (found, identity) and found != identity:
        raise ValueError(
            f"{path} is a checkpoint of another run, made from another config or other inputs (run {found[:8]}, and "
            f"this one is {identity[:8]}): copy this run's own back, or {AGAIN}"
        )


def is_lost(path: Path) -> bool:
    """Whether `path` is a link to a distributed checkpoint that is not there, as after an incomplete copy."""
    return path.is_symlink() and not path.exists()


@contextmanager
def report_checkpoint_damage(path: str | Path) -> Iterator[None]:
    """Turn any error of the enclosed reader into one ValueError with what to do; `best` may stand in for `last`."""
    try:
        yield
    except Exception:
        with report_damage(path, _damage_remedy(Path(path))):
            raise


def _damage_remedy(path: Path) -> str:
    best = path.with_name(f"best{path.suffix}")
    with suppress(Exception):
        if path.stem == "last":
            check_whole(best)
            step, here, there = read_facts(best)["global_step"], *(shlex.quote(str(each)) for each in (path, best))
            return f"to resume from step {step}, the best validation: rm -r {here} && cp -rP {there} {here}; or {AGAIN}"
    return f"copy it again, or {AGAIN}"


def checkpoint_path(directory: str | Path, which: str) -> Path:
    """Return where a run directory has its `last`, `best` or `stable` checkpoint."""
    return Path(directory) / "checkpoints" / f"{which}.ckpt"


def keep_last(directory: str | Path, which: str) -> None:
    """Keep `last.ckpt` of a run directory under a second name. Both names share one file until `last` is replaced."""
    last = checkpoint_path(directory, "last")
    with atomic_path(checkpoint_path(directory, which)) as temporary:
        if last.is_symlink():  # distributed: the parts stay as long as a link names them
            temporary.symlink_to(os.readlink(last))
            return
        try:
            os.link(last, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(last, temporary)


def save(trainer: Trainer, which: str) -> None:
    """Write the state of the run after the current step."""
    trainer.save_checkpoint(checkpoint_path(trainer.default_root_dir, which), weights_only=False)
