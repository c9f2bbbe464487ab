"""Qwen 3 with sparse experts, in all layers or in some."""

from dataclasses import replace
from typing import Any

from lm.interchange.families import qwen3
from lm.interchange.families.llama import configured, described
from lm.interchange.families.mixtral import experts, packed_names, router_fields
from lm.interchange.families.qwen2 import without_window
from lm.interchange.family import Family, Names, Node
from lm.interchange.fields import Fields
from lm.interchange.pattern import one_or_several, repeated
from lm.model import Transformer
from lm.model.experts import Experts, sparse_layers

WIDTH = 768  # hidden features of an expert where the file does not say


def describe(fields: Fields) -> Node:
    without_window(fields)
    fields.values.setdefault("head_dim", 128)
    fields.values.setdefault("num_key_value_heads", 4)
    node = described(fields, attention=qwen3.attention(fields))
    dense, layers = node["feedforward"], node["layers"]
    expert = dense | {"hidden": fields.given("moe_intermediate_size", WIDTH)}
    renormalise = bool(fields.get("norm_topk_prob", False))
    sparse = experts(fields, expert, top=8, number=128, renormalise=renormalise)
    step, only = fields.given("decoder_sparse_step", 1), {*fields.given("mlp_only_layers", [])}
    is_sparse = [number not in only and (number + 1) % step == 0 for number in range(layers)]
    return node | {"feedforward": one_or_several([sparse if each else dense for each in repeated(is_sparse)])}


def configure(model: Transformer) -> dict[str, Any]:
    first = sparse_layers(model)[0]
    width = first.experts[0].down.in_features
    dense = {n: block.feedforward for n, block in enumerate(model.blocks) if not isinstance(block.feedforward, Experts)}
    hidden = next(iter(dense.values())).down.in_features if dense else first.top * width
    return configured(model, hidden=hidden) | {
        "use_sliding_window": False,
        "attention_bias": model.blocks[0].attention.query.bias is not None,
        "moe_intermediate_size": width,
        "num_experts": len(first.experts),
        "norm_topk_prob": first.renormalise,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [*dense],
        **router_fields(first),
    }


def names(model: Transformer) -> Names:
    block = {"feedforward.router": "mlp.gate"}
    for part in ("gate", "up", "down"):
        for number in range(len(sparse_layers(model)[0].experts)):
            block[f"feedforward.experts.{number}.{part}"] = f"mlp.experts.{number}.{part}_proj"
    return replace(qwen3.NAMES, block={**qwen3.NAMES.block, **block})


FAMILY = Family(
    "Qwen3MoeForCausalLM",
    "qwen3_moe",
    describe,
    configure,
    names,
    other_names=(lambda model: packed_names(model, of=names(model)),),
)
