"""Phi-3 and Phi-4-mini: Llama with joined matrices and, in long versions, two sets of rotary factors."""

from dataclasses import replace
from typing import Any

from lm.interchange.families import llama
from lm.interchange.families.llama import configured, described
from lm.interchange.family import Family, Node, Part
from lm.interchange.fields import Fields
from lm.interchange.layout import Rows
from lm.model import Transformer

JOINED = {
    "attention.query": Part("self_attn.qkv_proj", 0, Rows()),
    "attention.key": Part("self_attn.qkv_proj", 1, Rows()),
    "attention.value": Part("self_attn.qkv_proj", 2, Rows()),
    "feedforward.gate": Part("mlp.gate_up_proj", 0, Rows()),
    "feedforward.up": Part("mlp.gate_up_proj", 1, Rows()),
}
NAMES = replace(llama.NAMES, block={**llama.NAMES.block, **JOINED})


def describe(fields: Fields) -> Node:
    fields.values.setdefault("rms_norm_eps", 1e-5)
    fields.only("attention_bias", False, default=False)
    fields.only("full_attn_mod", 1, default=1)
    fields.only("interpolate_factor", 1, default=1)
    fields.skip("original_max_position_embeddings")
    return described(fields, attention={"window": fields.get("sliding_window", None)})


def configure(model: Transformer) -> dict[str, Any]:
    shared = configured(model)
    attention = model.blocks[0].attention
    share = model.positions[0].rotated / attention.head_dim
    partial = {"partial_rotary_factor": share} if share != 1 else {}
    return shared | {
        "sliding_window": attention.window,
        "rope_parameters": {**shared["rope_parameters"], "partial_rotary_factor": share},
        **partial,
    }


FAMILY = Family("Phi3ForCausalLM", "phi3", describe, configure, lambda model: NAMES)
