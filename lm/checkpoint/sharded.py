"""A distributed checkpoint: a directory into which every rank writes its shards.

`torch.distributed.checkpoint` writes and reads the tensors, so that any number of ranks, or one process, can load what
they need; everything else is a plain file beside them. A directory cannot be renamed over another, but a link can: each
checkpoint has a directory name of its own, `last.<name>.parts`, and `last.ckpt` is a link to it.
"""

import io
import os
import pickle
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import torch
from torch import Tensor
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.metadata import Metadata

from lm.files import sync, write_atomically

REST = "rest.pt"
WEIGHTS, OPTIMIZER = "weights/", "optimizer/"
# Classes in torch's list of tensors, which is a pickle: unpickling calls whatever it names, so others are refused.
NAMES = {
    *(
        ("torch.distributed.checkpoint.metadata", name)
        for name in (
            "Metadata", "TensorStorageMetadata", "TensorProperties", "_MEM_FORMAT_ENCODING", "ChunkStorageMetadata",
            "MetadataIndex", "StorageMeta",
        )
    ),
    *(("torch", name) for name in ("float64", "float32", "bfloat16", "float16", "int64", "int32", "bool", "Size")),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch.serialization", "_get_layout"),
    ("pathlib", "PosixPath"),
    ("pathlib._local", "PosixPath"),
}  # fmt: skip


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise ValueError(f"it names {module}.{name}, which no list of tensors needs")
        return super().find_class(module, name)


class _Reader(dcp.FileSystemReader):
    """torch's reader, with a list of tensors that cannot run code."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        metadata = _Unpickler(io.BytesIO((Path(self.path) / ".metadata").read_bytes())).load()
        metadata.storage_meta.load_id = self.load_id
        return metadata


class _Writer(dcp.FileSystemWriter):
    """torch's writer, with files that are on disk: it syncs each of them before it writes the end of it."""

    def __init__(self, path: Path):
        super().__init__(path, sync_files=False)

    def write_data(self, *args: Any, **kwargs: Any) -> Any:
        written = super().write_data(*args, **kwargs)
        for name in {each.storage_data.relative_path for each in written.wait()}:
            sync(Path(self.path) / name)
        return written

    def finish(self, *args: Any, **kwargs: Any) -> None:
        super().finish(*args, **kwargs)
        sync(Path(self.path) / ".metadata")


def is_parts(path: str | Path) -> bool:
    """Return True if the checkpoint at `path` is distributed: a directory, or a link to one."""
    return Path(path).is_dir()


def split_tensors(checkpoint: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split a Lightning checkpoint into its tensors, by name, and everything else."""
    tensors = {f"{WEIGHTS}{name}": value for name, value in checkpoint["state_dict"].items()}
    groups = []
    for place, optimizer in enumerate(checkpoint["optimizer_states"]):
        for number, state in optimizer["state"].items():
            tensors |= {f"{OPTIMIZER}{place}/{number}/{key}": value for key, value in state.items()}
        groups.append({"state": {}, "param_groups": optimizer["param_groups"]})
    return tensors, {**checkpoint, "state_dict": {}, "optimizer_states": groups}


def join_tensors(rest: dict[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Put tensors back where `split_tensors` took them from, in place."""
    for name, value in tensors.items():
        if name.startswith(WEIGHTS):
            rest["state_dict"][name.removeprefix(WEIGHTS)] = value
        else:
            place, number, key = name.removeprefix(OPTIMIZER).split("/")
            rest["optimizer_states"][int(place)]["state"].setdefault(int(number), {})[key] = value


def write_parts(path: Path, tensors: Mapping[str, Tensor], rest: dict[str, Any], *, name: str, first: bool) -> None:
    """Write a checkpoint and link `path` to it. Every rank must call this.

    Args:
        path: Where the checkpoint is linked, as checkpoints/last.ckpt.
        tensors: This rank's shards, by name.
        rest: Everything else of the checkpoint.
        name: A name that no earlier checkpoint has, the same on every rank.
        first: Whether this is rank 0, which writes `rest` and the link.
    """
    directory = path.with_name(f"{path.stem}.{name}.parts")
    with _original_errors():  # writes the list of tensors last
        dcp.save(dict(tensors), storage_writer=_Writer(directory))
    if not first:
        return
    content = io.BytesIO()
    torch.save(rest, content)
    write_atomically(directory / REST, content.getvalue())
    link = path.with_name(f".{path.stem}.{token_hex(4)}{path.suffix}")
    try:
        link.symlink_to(directory.name)
    except OSError as error:
        raise ValueError(
            f"{path.parent} cannot hold symbolic links ({error.strerror}), which checkpoints of several ranks need: "
            "write to another disk by run.root=…, allow links (on Windows, its developer mode), or set trainer=ddp"
        ) from error
    move_directory_aside(path)
    os.replace(link, path)
    sync(path.parent)  # before what it replaces is removed
    remove_parts(path.parent, stem=path.stem)


def move_directory_aside(path: Path) -> None:
    """Rename `path` if it is a directory and not a link, as in a copy, so that a file or link can replace it."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.stem}.{token_hex(4)}.parts"))


def remove_parts(directory: Path, *, stem: str = "*") -> None:
    """Remove directories that no checkpoint links to: earlier checkpoints, and incomplete ones of a killed writer."""
    linked = {link.resolve().name for link in directory.glob("*.ckpt") if link.is_symlink()}
    for parts in directory.glob(f"{stem}.*.parts"):
        if parts.name not in linked:
            shutil.rmtree(parts)


def check_parts(path: str | Path) -> None:
    """Raise an error if files are missing or truncated. There are no checksums."""
    path = Path(path)
    for place in _Reader(path).read_metadata().storage_data.values():
        if (path / place.relative_path).stat().st_size < place.offset + place.length:
            raise ValueError(f"its {place.relative_path} is too short")
    if not (path / REST).is_file():
        raise ValueError(f"its {REST} is missing")


def read_rest(path: str | Path) -> dict[str, Any]:
    """Read everything of a checkpoint but its tensors."""
    return torch.load(Path(path) / REST, map_location="cpu", weights_only=True)


def read_into(path: str | Path, tensors: dict[str, Tensor], *, alone: bool = False) -> None:
    """Fill `tensors`, or shards of them, by name. Every rank must call this, unless one reads `alone`."""
    with _original_errors():
        dcp.load(tensors, storage_reader=_Reader(path), no_dist=alone)


def read_whole(path: str | Path, *, prefix: str = "") -> dict[str, Any]:
    """Read a checkpoint in one process, as a single file would hold it; only tensors that start with `prefix`."""
    listed = _Reader(path).read_metadata().state_dict_metadata
    tensors = {
        name: torch.empty(stored.size, dtype=stored.properties.dtype)
        for name, stored in listed.items()
        if name.startswith(prefix)
    }
    read_into(path, tensors, alone=True)
    checkpoint = read_rest(path)
    join_tensors(checkpoint, tensors)
    return checkpoint


@contextmanager
def _original_errors() -> Iterator[None]:
    """Raise the error of the rank that failed: torch wraps it in a class that is no `Exception`."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*assuming the intent is to (save|load) in a single process.*")
            yield
    except dcp.CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from None
