"""Gemma 1: Llama with GELU gates, norms of 1 + weight and scaled embeddings."""

from typing import Any

from lm.interchange.families import gemma2
from lm.interchange.families.llama import NAMES
from lm.interchange.family import Family, Node
from lm.interchange.fields import Fields
from lm.interchange.pattern import FULL
from lm.interchange.rotary import read_rotary
from lm.model import Transformer

ACTIVATION = gemma2.ACTIVATION


def describe(fields: Fields) -> Node:
    fields.only("hidden_act", ACTIVATION, "gelu", default=ACTIVATION)  # the first files say gelu, and mean this one
    fields.values.setdefault("head_dim", gemma2.HEAD_DIM)
    fields.values["query_pre_attn_scalar"] = fields.get("head_dim")
    if fields.get("hidden_activation", None) is None:
        fields.values["hidden_activation"] = ACTIVATION
    kinds = [FULL] * fields.get("num_hidden_layers")
    position = read_rotary(fields, context=fields.get("max_position_embeddings"))
    node = gemma2.described(fields, kinds=kinds, attention={}, position=position)
    return {key: value for key, value in node.items() if key != "block"}


def configure(model: Transformer) -> dict[str, Any]:
    others = {"query_pre_attn_scalar", "sliding_window", "layer_types"}
    shared = {key: value for key, value in gemma2.configure(model).items() if key not in others}
    return {key: value for key, value in shared.items() if not key.endswith("softcapping")} | {"hidden_act": ACTIVATION}


FAMILY = Family("GemmaForCausalLM", "gemma", describe, configure, lambda model: NAMES)
