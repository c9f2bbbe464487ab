"""Weights as one .safetensors file: a list of names, types, shapes and places in JSON, then the numbers.

The format is a page (github.com/huggingface/safetensors); a file of it runs nothing and can be read a tensor at a time.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lm.files import atomic_path

TYPES = {torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64"}


def write_safetensors(path: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors` by name, whole or not at all."""
    header, place = {}, 0
    for name, value in tensors.items():
        size = value.numel() * value.element_size()
        header[name] = {"dtype": TYPES[value.dtype], "shape": [*value.shape], "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers begin where they may be mapped into memory
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in tensors.values():
            file.write(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
