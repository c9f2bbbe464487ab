"""Weights as one `.safetensors` file: a JSON header of names, types, shapes and offsets, then the numbers.

The format fits on a page (github.com/huggingface/safetensors); such a file cannot run code, and tensors can be read one
at a time.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lm.files import atomic_path

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64"}


def write_safetensors(path: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors`, by name, to a file that is whole or absent."""
    header, offset = {}, 0
    for name, value in tensors.items():
        size = value.numel() * value.element_size()
        header[name] = {"dtype": TYPES[value.dtype], "shape": [*value.shape], "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # aligns the numbers, so that they can be mapped into memory
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in tensors.values():
            file.write(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
