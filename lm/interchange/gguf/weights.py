"""The weights of a model by llama.cpp's names and in its layout.

Legend: H heads  R rotated features of a head  E features of a head
"""

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from lm.interchange.gguf.architecture import Architecture
from lm.interchange.gguf.file import Weight
from lm.interchange.gguf.scaling import rotary_weights, score_factor
from lm.model import CentredRMSNorm, Transformer

NAMES = {
    "embedding": "token_embd",
    "position_embedding": "position_embd",
    "norm": "output_norm",
    "output": "output",
    "attention_norm": "attn_norm",
    "attention_output_norm": "post_attention_norm",
    "feedforward_norm": "ffn_norm",
    "feedforward_output_norm": "post_ffw_norm",
    "attention.query": "attn_q",
    "attention.key": "attn_k",
    "attention.value": "attn_v",
    "attention.output": "attn_output",
    "attention.query_norm": "attn_q_norm",
    "attention.key_norm": "attn_k_norm",
    "feedforward.gate": "ffn_gate",
    "feedforward.up": "ffn_up",
    "feedforward.down": "ffn_down",
    "feedforward.router": "ffn_gate_inp",
    "feedforward.experts.gate": "ffn_gate_exps",
    "feedforward.experts.up": "ffn_up_exps",
    "feedforward.experts.down": "ffn_down_exps",
}
JOINED = ("attention.query", "attention.key", "attention.value")
EXPERT = re.compile(r"(blocks\.\d+\.feedforward\.experts)\.\d+\.(.+)")
LAYER = re.compile(r"blocks\.(\d+)\.(.+)")


def weights_of(model: Transformer, architecture: Architecture) -> dict[str, Weight]:
    """Return the weights of a model as an architecture of llama.cpp wants them, most of them without a copy."""
    weights: dict[str, Weight] = {}
    parts = {name: dict(_laid_out(model, name, architecture)) for name in _modules(model)}
    if architecture.joined:
        parts = _join(parts, JOINED, "attn_qkv")
    if architecture.gate_in_up:
        parts = _join(parts, ("feedforward.gate", "feedforward.up"), "ffn_up")
    for name, kinds in _stacked(parts).items():
        layer = LAYER.fullmatch(name)
        theirs = NAMES.get(layer[2] if layer else name) or name.rpartition(".")[2]
        for kind, weight in kinds.items():
            weights[f"{f'blk.{layer[1]}.' if layer else ''}{theirs}.{kind}"] = weight
    if architecture.untied and model.output is None:
        weights["output.weight"] = model.embedding.weight
    return weights | rotary_weights(model, architecture)


def _stacked(parts: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Weight]]:
    """Put the matrices of a layer's experts together, which are stacked when they are written."""
    result: dict[str, dict[str, Weight]] = {}
    for name, kinds in parts.items():
        expert = EXPERT.fullmatch(name)
        if expert is None:
            result[name] = dict(kinds)
            continue
        for kind, weight in kinds.items():
            result.setdefault(f"{expert[1]}.{expert[2]}", {}).setdefault(kind, []).append(weight)
    return result


def _modules(model: Transformer) -> Iterator[str]:
    """Yield the names of the modules that hold weights, in order."""
    yield from dict.fromkeys(name.rpartition(".")[0] for name, _ in model.named_parameters())


def _laid_out(model: Transformer, name: str, architecture: Architecture) -> Iterator[tuple[str, Tensor]]:
    """Yield the weight and the bias of a module as llama.cpp wants them."""
    module = model.get_submodule(name)
    weight, bias = module.weight.detach(), getattr(module, "bias", None)
    if isinstance(module, CentredRMSNorm):
        weight = weight.float() + 1
    inside = LAYER.fullmatch(name)
    if bias is None and (inside[2] if inside else name) in architecture.biases:
        bias = weight.new_zeros(len(weight))
    tensors = {"weight": weight} | ({} if bias is None else {"bias": bias.detach()})
    if inside and inside[2] in JOINED[:2] and architecture.neighbours:
        heads = _heads(model, int(inside[1]), inside[2])
        tensors = {kind: neighbours(tensor, heads=heads) for kind, tensor in tensors.items()}
    if inside:
        attention = model.blocks[int(inside[1])].attention
        scaled = "attention.query_norm" if list(attention.query_norm.parameters()) else "attention.query"
        factor = score_factor(model, architecture, int(inside[1]))
        if inside[2] == scaled and factor != 1:
            tensors = {kind: tensor.float() * factor for kind, tensor in tensors.items()}
    yield from tensors.items()


def _heads(model: Transformer, layer: int, part: str) -> int:
    attention = model.blocks[layer].attention
    return attention.heads if part == "attention.query" else attention.key_value_heads


def neighbours(rows: Tensor, *, heads: int) -> Tensor:
    """Reorder the rows of queries or keys, so that features i and i + E/2 of a head become 2i and 2i + 1."""
    return rows.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)  # H 2 E/2 … → H E/2 2 …


def _join(parts: dict[str, dict[str, Tensor]], which: tuple[str, ...], joined: str) -> dict[str, dict[str, Tensor]]:
    """Put matrices of a block below one another, under a new name."""
    result: dict[str, dict[str, Tensor]] = {}
    for name, kinds in parts.items():
        layer = LAYER.fullmatch(name)
        if not layer or layer[2] not in which:
            result[name] = kinds
        elif layer[2] == which[0]:
            block = f"blocks.{layer[1]}."
            each = [parts[block + part] for part in which]
            result[block + joined] = {kind: torch.cat([part[kind] for part in each]) for kind in kinds}
    return result
