"""OLMo 2: norms after each part only, and queries and keys normalised over all heads together."""

from dataclasses import replace
from typing import Any

from lm.interchange.families import llama, qwen3
from lm.interchange.families.llama import configured, described
from lm.interchange.family import Family, Node, part
from lm.interchange.fields import Fields
from lm.model import Transformer

NORMS = {
    "attention_output_norm": "post_attention_layernorm",
    "feedforward_output_norm": "post_feedforward_layernorm",
}
NAMES = replace(llama.NAMES, block={**llama.ATTENTION, **llama.FEEDFORWARD, **qwen3.HEAD_NORMS, **NORMS})


def describe(fields: Fields) -> Node:
    fields.values.setdefault("rms_norm_eps", 1e-5)
    norm = part("torch.nn.RMSNorm", eps=fields.get("rms_norm_eps"))
    attention = {
        "bias": bool(fields.get("attention_bias", False)),
        "query_key_norm": norm,
        "norm_across_heads": True,
    }
    return described(fields, attention=attention) | {"block": part("lm.model.PostNormBlock")}


def configure(model: Transformer) -> dict[str, Any]:
    return configured(model) | {"attention_bias": model.blocks[0].attention.query.bias is not None}


FAMILY = Family("Olmo2ForCausalLM", "olmo2", describe, configure, lambda model: NAMES)
