"""Qwen 3: Llama with norms of queries and keys in each head, and heads of a size of their own."""

from dataclasses import replace
from typing import Any

from lm.interchange.families import llama
from lm.interchange.families.llama import configured, described
from lm.interchange.families.qwen2 import windowed, windows
from lm.interchange.family import Family, Node, part
from lm.interchange.fields import Fields
from lm.model import Transformer

HEAD_NORMS = {"attention.query_norm": "self_attn.q_norm", "attention.key_norm": "self_attn.k_norm"}
NAMES = replace(llama.NAMES, block={**llama.NAMES.block, **HEAD_NORMS})


def describe(fields: Fields) -> Node:
    fields.values.setdefault("head_dim", 128)
    return windowed(fields, described(fields, attention=attention(fields)))


def attention(fields: Fields) -> Node:
    """The keywords of the attention beside its sizes."""
    norm = part("torch.nn.RMSNorm", eps=fields.get("rms_norm_eps", 1e-6))
    return {"bias": bool(fields.get("attention_bias", False)), "query_key_norm": norm}


def configure(model: Transformer) -> dict[str, Any]:
    biased = model.blocks[0].attention.query.bias is not None
    return configured(model) | windows(model) | {"attention_bias": biased}


FAMILY = Family("Qwen3ForCausalLM", "qwen3", describe, configure, lambda model: NAMES)
