"""A checkpoint as a directory, into which every rank writes its part: for models that no single rank can hold.

The tensors are written and read by torch.distributed.checkpoint, which lets any number of ranks, or one process, take
what they need of them. The rest is a plain file beside them. A directory cannot be renamed over another, so each has a
name of its own, and `last.ckpt` is a link to it, which can.
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

from lm.files import write_atomically

REST = "rest.pt"
GO_ON = "remove it to go on without it, or set run.restart=true to start again"  # what helps where one is damaged
WEIGHTS, OPTIMIZER = "weights/", "optimizer/"
# What torch's list of tensors is made of. It is a pickle, and any other name in it would be run.
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
            raise ValueError(f"it names {module}.{name}, which a list of tensors does not need")
        return super().find_class(module, name)


class _Reader(dcp.FileSystemReader):
    """torch's, but its list of tensors runs nothing."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        metadata = _Unpickler(io.BytesIO((Path(self.path) / ".metadata").read_bytes())).load()
        metadata.storage_meta.load_id = self.load_id
        return metadata


def is_parts(path: str | Path) -> bool:
    """Whether the checkpoint at `path` is a directory of parts."""
    return Path(path).is_dir()


def split_tensors(checkpoint: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a Lightning checkpoint by names of ours, and the rest of it."""
    tensors = {f"{WEIGHTS}{name}": value for name, value in checkpoint["state_dict"].items()}
    groups = []
    for place, optimizer in enumerate(checkpoint["optimizer_states"]):
        for number, state in optimizer["state"].items():
            tensors |= {f"{OPTIMIZER}{place}/{number}/{key}": value for key, value in state.items()}
        groups.append({"state": {}, "param_groups": optimizer["param_groups"]})
    return tensors, {**checkpoint, "state_dict": {}, "optimizer_states": groups}


def join_tensors(rest: dict[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Put tensors back to where `split_tensors` took them from."""
    for name, value in tensors.items():
        if name.startswith(WEIGHTS):
            rest["state_dict"][name.removeprefix(WEIGHTS)] = value
        else:
            place, number, key = name.removeprefix(OPTIMIZER).split("/")
            rest["optimizer_states"][int(place)]["state"].setdefault(int(number), {})[key] = value


def write_parts(path: Path, tensors: Mapping[str, Tensor], rest: dict[str, Any], *, name: str, first: bool) -> None:
    """Write a checkpoint; every rank must call it, with the same `name`, new for each. Then `path` is a link to it."""
    directory = path.with_name(f"{path.stem}.{name}.parts")
    with _plainly():  # files are synced, and the list of tensors comes last
        dcp.save(dict(tensors), storage_writer=dcp.FileSystemWriter(directory))
    if not first:
        return
    content = io.BytesIO()
    torch.save(rest, content)
    write_atomically(directory / REST, content.getvalue())
    link = path.with_name(f".{path.stem}.{token_hex(4)}{path.suffix}")
    link.symlink_to(directory.name)
    make_way(path)
    os.replace(link, path)
    remove_parts(path.parent, stem=path.stem)


def make_way(path: Path) -> None:
    """Let `path` be replaced where it is no link but the directory itself, as a copy may have it."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.stem}.{token_hex(4)}.parts"))


def remove_parts(directory: Path, *, stem: str = "*") -> None:
    """Remove parts that no checkpoint is a link to: those of earlier ones, and of a writer that was killed."""
    linked = {link.resolve().name for link in directory.glob("*.ckpt") if link.is_symlink()}
    for parts in directory.glob(f"{stem}.*.parts"):
        if parts.name not in linked:
            shutil.rmtree(parts)


def check_parts(path: str | Path) -> None:
    """Raise where files are missing or too short. There are no checksums."""
    path = Path(path)
    for place in _Reader(path).read_metadata().storage_data.values():
        if (path / place.relative_path).stat().st_size < place.offset + place.length:
            raise ValueError(f"its {place.relative_path} is too short")
    if not (path / REST).is_file():
        raise ValueError(f"its {REST} is missing")


def read_rest(path: str | Path) -> dict[str, Any]:
    """All of a checkpoint but its tensors."""
    return torch.load(Path(path) / REST, map_location="cpu", weights_only=True)


def read_into(path: str | Path, tensors: dict[str, Tensor], *, alone: bool = False) -> None:
    """Fill `tensors`, or this rank's parts of them, by name; every rank must call it, unless it is meant `alone`."""
    with _plainly():
        dcp.load(tensors, storage_reader=_Reader(path), no_dist=alone)


def read_whole(path: str | Path, *, prefix: str = "") -> dict[str, Any]:
    """The checkpoint as one process writes it, read by this one alone; with `prefix` only tensors that begin so."""
    listed = _Reader(path).read_metadata().state_dict_metadata
    tensors = {
        name: torch.empty(found.size, dtype=found.properties.dtype)
        for name, found in listed.items()
        if name.startswith(prefix)
    }
    read_into(path, tensors, alone=True)
    checkpoint = read_rest(path)
    join_tensors(checkpoint, tensors)
    return checkpoint


@contextmanager
def _plainly() -> Iterator[None]:
    """Let what failed on a rank be raised as it is: torch makes of it what is no Exception, which nobody could tell."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*assuming the intent is to (save|load) in a single process.*")
            yield
    except dcp.CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from None
