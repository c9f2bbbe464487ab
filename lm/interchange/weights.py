"""The tensors of a folder's weight files, read one at a time: no pickle unless asked for, nothing in memory twice."""

import json
import pickle
import re
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
PICKLE_INDEX, PICKLE = "pytorch_model.bin.index.json", "pytorch_model.bin"
COPY = "copy the file again from where the model comes from"
NUMBERED = re.compile(r"-(\d+)-of-(\d+)\.")
# of weights that are numbers, not codes of a quantisation
TYPES = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


class File(Protocol):
    """An open file of tensors."""

    shapes: dict[str, tuple[int, ...]]

    def read(self, name: str, dtype: torch.dtype | None = None) -> Tensor: ...


class SafetensorsFile:
    """A safetensors file, whose tensors are read when they are asked for."""

    def __init__(self, file: Path):
        try:
            self._open = safe_open(file, framework="pt")
            slices = {name: self._open.get_slice(name) for name in self._open.keys()}  # noqa: SIM118  (no mapping)
        except (SafetensorError, OSError) as error:
            size = file.stat().st_size
            raise ValueError(f"{file} ({size} bytes) is damaged or cut off ({error}): {COPY}") from None
        self.file = file
        self.shapes = {name: tuple(each.get_shape()) for name, each in slices.items()}
        self._types = {name: each.get_dtype() for name, each in slices.items()}

    def read(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        if self._types[name] not in TYPES:
            raise ValueError(
                f"{self.file} has {name} in the type {self._types[name]}, as quantised models do: take the model in "
                "float32, bfloat16 or float16"
            )
        try:
            if dtype in (None, TYPES[self._types[name]]):
                return self._open.get_tensor(name)
            with safe_open(self.file, framework="pt") as opened:  # what is cast is not kept in memory beside the result
                return opened.get_tensor(name).to(dtype)
        except (SafetensorError, OSError, RuntimeError) as error:
            raise ValueError(f"{self.file} is damaged at the tensor {name} ({error}): {COPY}") from None


class PickleFile:
    """A pytorch_model.bin, from which only tensors are taken, mapped into memory: nothing in it is run."""

    def __init__(self, file: Path):
        try:
            self._tensors = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        except (pickle.UnpicklingError, RuntimeError, OSError, EOFError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"{file} is damaged, or holds more than tensors ({reason}): {COPY}") from None
        self.shapes = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}

    def read(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        return self._tensors[name].to(dtype) if dtype else self._tensors[name]


class WeightFiles:
    """The tensors of a folder by name, in one file or in several with an index.

    Args:
        folder: The folder.
        pickle: Whether pytorch_model.bin is read where there is no safetensors file.

    Raises:
        ValueError: There are no such files, one is missing, or one is damaged.
    """

    def __init__(self, folder: Path, *, pickle: bool = False):
        self.folder = folder
        names, index = self._listed(pickle)
        open_file = PickleFile if any(name.endswith(".bin") for name in names) else SafetensorsFile
        for name in names:
            if not (folder / name).is_file():
                raise ValueError(f"{folder / name} is missing: copy all files of the model")
        self._open: dict[Path, File] = {folder / name: open_file(folder / name) for name in names}
        self._where: dict[str, File] = {}
        for file, opened in self._open.items():
            kept = (name for name in opened.shapes if index is None or index.get(name) == file.name)
            self._where |= dict.fromkeys(kept, opened)
        lost = sorted((index or {}).keys() - self._where.keys())
        if lost:
            raise ValueError(
                f"{folder} has an index that says that {(index or {})[lost[0]]} holds {lost[0]}, but it does not "
                f"({len(lost)} tensors are missing): {COPY}"
            )
        self.shapes = {name: file.shapes[name] for name, file in self._where.items()}
        self._base = ""

    @property
    def files(self) -> list[Path]:
        """The files that hold tensors."""
        return sorted(self._open)

    def read(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """Return a tensor, on the CPU, in a type; None is that of the file.

        Raises:
            ValueError: The file is damaged, or the tensor holds no plain numbers.
        """
        return self._where[name].read(name.removeprefix(self._base), dtype)

    def add_base(self, base: str) -> None:
        """Put `base` before all names, if none has it: files of a model without a head, as of the first GPT-2."""
        if any(name.startswith(base) for name in self._where):
            return
        self._base = base
        self._where = {f"{base}{name}": file for name, file in self._where.items()}
        self.shapes = {f"{base}{name}": shape for name, shape in self.shapes.items()}

    def _listed(self, pickle: bool) -> tuple[list[str], dict[str, str] | None]:
        """The files to read, and which of them holds each tensor where an index says so."""
        for index, whole in ((INDEX, WHOLE), *([(PICKLE_INDEX, PICKLE)] if pickle else [])):
            if (self.folder / index).is_file():
                placed = _map_of(self.folder / index)
                return sorted({*placed.values()}), placed
            if (self.folder / whole).is_file():
                return [whole], None
            found = sorted(file.name for file in self.folder.glob(f"*{Path(whole).suffix}"))
            if found and Path(whole).suffix == ".safetensors":
                return _complete(found), None
        raise ValueError(f"{self.folder} has no {WHOLE}{self._instead()}")

    def _instead(self) -> str:
        pickles = [name for name in (PICKLE, PICKLE_INDEX) if (self.folder / name).is_file()]
        if not pickles:
            return f": {COPY}"
        return (
            f", only {pickles[0]}, a pickle: take the model's safetensors files; or write its tensors, and nothing "
            f"else of it, as safetensors: lm export model.path={self.folder} model.pickle=true run.name=NAME, then "
            "model.path=outputs/export/NAME"
        )


def _complete(names: list[str]) -> list[str]:
    """The files of a model without an index; those with numbers must be all there."""
    counts = {int(match[2]) for name in names if (match := NUMBERED.search(name))}
    for count in counts:
        have = {int(match[1]) for name in names if (match := NUMBERED.search(name)) and int(match[2]) == count}
        if lost := sorted({*range(1, count + 1)} - have):
            example = next(name for name in names if NUMBERED.search(name))
            raise ValueError(
                f"{NUMBERED.sub(f'-{lost[0]:05}-of-{count:05}.', example)} is missing ({len(lost)} of {count} files): "
                "copy all files of the model"
            )
    return names


def _map_of(index: Path) -> dict[str, str]:
    try:
        found = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): Path(file).name for name, file in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index} is not an index of safetensors files ({error!r}): {COPY}") from None
