"""Weights as one `.safetensors` file, which other libraries read and which cannot run code."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from lm.files import atomic_path


def write_safetensors(path: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors`, by name, to a file that is whole or absent. Tensors that share memory are written apart."""
    own: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        own[name] = _apart(tensor) if place in seen else tensor.detach().cpu().contiguous()
        seen.add(place)
    with atomic_path(path) as temporary:
        save_file(own, temporary, metadata={"format": "pt"})
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # the library makes a file for its owner alone


def _apart(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
