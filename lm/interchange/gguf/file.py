"""One GGUF file: fields, then tensors, whole or absent, one tensor in memory at a time."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lm.files import atomic_path

Kind = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
Weight = Tensor | Sequence[Tensor]  # a sequence is stacked, as experts are

FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7, "bf16": 32}  # general.file_type
PRECISE = ("position_embd", "ffn_gate_inp", "rope_")  # kept in f32 by llama.cpp's own conversion, and read as such
TABLES = ("token_embd", "output.")  # which lose most in 4 bits


def write_gguf(path: Path, fields: Mapping[str, Any], weights: Mapping[str, Weight], *, kind: Kind) -> list[str]:
    """Write a GGUF file.

    Args:
        path: The file.
        fields: Metadata by key; `general.architecture` is one of them.
        weights: Weights by llama.cpp's names, each O I or I; a sequence of equal shapes is stacked.
        kind: How matrices are stored. Vectors are always f32, as llama.cpp wants them.

    Returns:
        What was stored otherwise than `kind` says, one line each.

    Raises:
        ValueError: The library gguf is missing, or a weight is too large for f16.
    """
    gguf = import_gguf()
    kinds = {name: _kind_of(name, _shape(weight), kind) for name, weight in weights.items()}
    with atomic_path(path) as temporary:
        writer = gguf.GGUFWriter(temporary, fields["general.architecture"])
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        for key, value in fields.items():
            if key != "general.architecture":
                add.get(type(value), writer.add_array)(key, value)
        writer.add_uint32("general.file_type", FILE_TYPES[kind])
        writer.add_uint32("general.quantization_version", gguf.GGML_QUANT_VERSION)
        types = {name: gguf.GGMLQuantizationType[each.upper()] for name, each in kinds.items()}
        for name, weight in weights.items():
            shape, size = _shape(weight), gguf.GGML_QUANT_SIZES[types[name]]
            stored = (*shape[:-1], shape[-1] // size[0] * size[1])
            writer.add_tensor_info(name, shape, np.dtype(np.float32), int(np.prod(stored)), raw_dtype=types[name])
        with contextlib.closing(writer):
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for name, weight in weights.items():
                each = [weight] if isinstance(weight, Tensor) else weight
                writer.write_tensor_data(np.stack([_stored(name, one, types[name]) for one in each]))
    kept = sum(kind.startswith("q") and each == "f16" for each in kinds.values())
    matrices = "1 matrix is stored in f16: its" if kept == 1 else f"{kept} matrices are stored in f16: their"
    return [f"{matrices} rows are no multiple of 32 numbers"] if kept else []


def import_gguf() -> Any:
    """Return the library gguf."""
    try:
        import gguf
    except ImportError:
        raise ValueError("format=gguf needs the package gguf: pip install 'lightning-lm[gguf]'") from None
    return gguf


def _kind_of(name: str, shape: Sequence[int], kind: Kind) -> str:
    """Return how a weight is stored."""
    if len(shape) < 2 or name.startswith(PRECISE) or ".ffn_gate_inp." in name:
        return "f32"
    if kind.startswith("q"):
        return "f16" if shape[-1] % 32 else "q8_0" if name.startswith(TABLES) else kind
    return kind


def _shape(weight: Weight) -> tuple[int, ...]:
    return tuple(weight.shape) if isinstance(weight, Tensor) else (len(weight), *weight[0].shape)


def _stored(name: str, weight: Tensor, kind: Any) -> np.ndarray:
    """Return the bytes of a weight."""
    gguf = import_gguf()
    numbers = weight.detach().to("cpu", torch.float32).contiguous()
    if kind == gguf.GGMLQuantizationType.F16 and numbers.abs().max() > torch.finfo(torch.float16).max:
        raise ValueError(
            f"format.kind: {name} has numbers above 65504, which f16 cannot hold: set format.kind=bf16 or f32"
        )
    return gguf.quantize(numbers.numpy(), kind).view(np.uint8)
