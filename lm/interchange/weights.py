"""The tensors of a folder's safetensors files, read one at a time: no pickle, nothing in memory twice."""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
COPY = "copy the file again from where the model comes from"


class WeightFiles:
    """The tensors of a folder by name, in one file or in several with an index.

    Args:
        folder: The folder.

    Raises:
        ValueError: There are no such files, one is missing, or one is damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._files = self._indexed()
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._open = {}
        for file in sorted({*self._files.values()}):
            self._open[file] = _opened(file)
            for name in self._open[file].keys():  # noqa: SIM118  (no mapping)
                if self._files.get(name) == file:
                    self.shapes[name] = tuple(self._open[file].get_slice(name).get_shape())
        lost = sorted(self._files.keys() - self.shapes.keys())
        if lost:
            raise ValueError(
                f"{folder / INDEX} says that {self._files[lost[0]].name} holds {lost[0]}, but it does not "
                f"({len(lost)} tensors are missing): {COPY}"
            )

    @property
    def files(self) -> list[Path]:
        """The files that hold tensors."""
        return sorted(self._open)

    def read(self, name: str) -> Tensor:
        """Return a tensor, on the CPU, in the type of the file.

        Raises:
            ValueError: The file is damaged.
        """
        file = self._files[name]
        try:
            return self._open[file].get_tensor(name)
        except (SafetensorError, OSError, RuntimeError) as error:
            raise ValueError(f"{file} is damaged at the tensor {name} ({error}): {COPY}") from None

    @cached_property
    def dtypes(self) -> set[str]:
        """The types of the tensors as the format names them, as F32 and BF16."""
        return {self._open[self._files[name]].get_slice(name).get_dtype() for name in self.shapes}

    def _indexed(self) -> dict[str, Path]:
        """Each tensor with its file."""
        index = self.folder / INDEX
        if index.is_file():
            return {name: self.folder / file for name, file in _map_of(index).items()}
        whole = self.folder / WHOLE
        files = [whole] if whole.is_file() else sorted(self.folder.glob("*.safetensors"))
        if not files:
            raise ValueError(f"{self.folder} has no {WHOLE}{self._instead()}")
        return dict(_names(files))

    def _instead(self) -> str:
        pickles = [name for name in PICKLES if (self.folder / name).is_file()]
        if not pickles:
            return f": {COPY}"
        return (
            f", only {pickles[0]}, a pickle, which can run code when it is opened: take the model's safetensors files, "
            "or convert it where you trust it, by transformers' save_pretrained"
        )


def _map_of(index: Path) -> dict[str, str]:
    try:
        found = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): Path(file).name for name, file in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index} is not an index of safetensors files ({error!r}): {COPY}") from None


def _names(files: list[Path]) -> Iterator[tuple[str, Path]]:
    for file in files:
        yield from ((name, file) for name in _opened(file).keys())  # noqa: SIM118


def _opened(file: Path):
    if not file.is_file():
        raise ValueError(f"{file} is missing, which {INDEX} names: copy all files of the model")
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        size = file.stat().st_size
        raise ValueError(f"{file} ({size} bytes) is damaged or cut off ({error}): {COPY}") from None
