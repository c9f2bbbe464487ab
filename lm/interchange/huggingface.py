"""A trained model as a folder of transformers, and as one safetensors file with our own names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from lm.bounds import Positive
from lm.checkpoint.architecture import write_architecture
from lm.checkpoint.run_model import TEMPLATE
from lm.checkpoint.safetensors import write_safetensors
from lm.files import write_atomically
from lm.interchange.config_file import CONFIG
from lm.interchange.export import family_of, their_weights
from lm.interchange.format import Format, Published
from lm.interchange.weights import INDEX, WHOLE
from lm.model import Transformer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LARGEST_HALF = 65504.0
Dtype = Literal["float32", "bfloat16", "float16"]


class HuggingFace(Format):
    """A folder that `AutoModelForCausalLM` and `AutoTokenizer` open: config.json, safetensors, tokenizer and template.

    The architecture is the first that computes what the model does: Llama for the default model, Qwen 3 with norms of
    queries and keys, Mistral with a window. vLLM, SGLang, TRL and converters of other programs read the same folder.

    Args:
        dtype: Type of the weights: float32, bfloat16 or float16, which halve the file and lose digits. None keeps that
            of the model.
        shard: Bytes of weights in a file; a larger model is several files with an index. 5e9 is that of transformers.
    """

    def __init__(self, *, dtype: Dtype | None = None, shard: Positive = 5e9):
        self.dtype, self.shard = dtype, shard

    def write(self, folder: Path, published: Published) -> tuple[list[Path], list[str]]:
        family, _ = family_of(published.outline)
        files = published.files()
        generation = json.loads(files["generation_config.json"])
        model = published.build()
        special = {name: generation.get(name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        written = write_model(folder, model, special=special, dtype=self.dtype, shard=self.shard)
        for name, content in files.items():
            write_atomically(folder / name, content)
        said = self.dtype or str(model.embedding.weight.dtype).removeprefix("torch.")
        return [*written, *(folder / name for name in files)], [f"architecture {family.architecture}, {said}"]


class Safetensors(Format):
    """One model.safetensors by our own names of weights, beside model.json, tokenizer and template.

    Any model of `lm` can be written, also one that no architecture of transformers computes. The folder is a model.path
    for every job, and has what programs of your own need.

    Args:
        dtype: Type of the weights: float32, bfloat16 or float16. None keeps that of the model.
    """

    def __init__(self, *, dtype: Dtype | None = None):
        self.dtype = dtype

    def write(self, folder: Path, published: Published) -> tuple[list[Path], list[str]]:
        state = published.build().state_dict()
        weights, _ = _cast({name: weight.contiguous() for name, weight in state.items()}, self.dtype)
        published.tokenizer.save(folder / "tokenizer.json")
        written = [*write_weights(folder, weights), write_architecture(folder, dict(published.description))]
        written.append(folder / "tokenizer.json")
        if published.template is not None:
            written.append(folder / TEMPLATE)
            content = json.dumps(published.template, indent=2, ensure_ascii=False)
            write_atomically(folder / TEMPLATE, content + "\n")
        return written, []


def write_model(
    folder: Path,
    model: Transformer,
    *,
    special: Mapping[str, Any] | None = None,
    dtype: Dtype | None = None,
    shard: float | None = None,
) -> list[Path]:
    """Write config.json and the weights of a model.

    Args:
        folder: Where to write.
        model: The model, without adapters.
        special: Fields of config.json that name special tokens, as eos_token_id.
        dtype: Type of the weights; None keeps that of the model.
        shard: Bytes in a file of weights; None for one file.

    Returns:
        The files.

    Raises:
        ValueError: No architecture of transformers computes what the model does.
    """
    family, config = family_of(model)
    weights, known = _cast(their_weights(family, model, model.state_dict()), dtype)
    written = write_weights(folder, weights, shard=shard)
    config |= {**(special or {}), "torch_dtype": known, "dtype": known, "use_cache": True}
    write_atomically(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    return [*written, folder / CONFIG]


def write_weights(folder: Path, weights: Mapping[str, Tensor], *, shard: float | None = None) -> list[Path]:
    """Write weights to model.safetensors, or to several files with an index, each whole or absent.

    Args:
        folder: Where to write.
        weights: Contiguous weights by name.
        shard: Bytes in a file; None for one file.

    Returns:
        The files.
    """
    parts = _parts(weights, shard or float("inf"))
    many = len(parts) > 1
    files = [f"model-{n:05}-of-{len(parts):05}.safetensors" if many else WHOLE for n in range(1, len(parts) + 1)]
    for file, part in zip(files, parts, strict=True):
        write_safetensors(folder / file, part)
    if not many:
        return [folder / WHOLE]
    total = sum(weight.numel() * weight.element_size() for weight in weights.values())
    placed = {name: file for file, part in zip(files, parts, strict=True) for name in part}
    index: dict[str, Any] = {"metadata": {"total_size": total}, "weight_map": placed}
    write_atomically(folder / INDEX, json.dumps(index, indent=2) + "\n")
    return [*(folder / file for file in files), folder / INDEX]


def _parts(weights: Mapping[str, Tensor], size: float) -> list[dict[str, Tensor]]:
    """Weights in their order, in parts of up to `size` bytes."""
    parts: list[dict[str, Tensor]] = [{}]
    room = size
    for name, weight in weights.items():
        bytes_ = weight.numel() * weight.element_size()
        if parts[-1] and bytes_ > room:
            parts.append({})
            room = size
        parts[-1][name] = weight
        room -= bytes_
    return parts


def _cast(weights: Mapping[str, Tensor], dtype: Dtype | None) -> tuple[dict[str, Tensor], str]:
    """Weights in a type, and its name.

    Raises:
        ValueError: float16 cannot hold one.
    """
    if dtype is None:
        found = next(iter(weights.values())).dtype
        return dict(weights), str(found).removeprefix("torch.")
    if dtype == "float16":
        for name, weight in weights.items():
            if weight.abs().max() > LARGEST_HALF:
                raise ValueError(f"format.dtype=float16 cannot hold {name}, which exceeds 65504: set bfloat16")
    return {name: weight.to(DTYPES[dtype]) for name, weight in weights.items()}, dtype
