"""Gemma 2: norms around each part, soft caps, and a window in every other layer."""

from dataclasses import replace
from typing import Any

from lm.interchange.families import llama
from lm.interchange.families.llama import configured
from lm.interchange.family import Family, Node, part
from lm.interchange.fields import Fields
from lm.interchange.pattern import FULL, SLIDING, one_or_several, repeated
from lm.interchange.rotary import read_rotary
from lm.model import Transformer

NORMS = {
    "attention_norm": "input_layernorm",
    "attention_output_norm": "post_attention_layernorm",
    "feedforward_norm": "pre_feedforward_layernorm",
    "feedforward_output_norm": "post_feedforward_layernorm",
}
NAMES = replace(llama.NAMES, block={**llama.ATTENTION, **llama.FEEDFORWARD, **NORMS})
ACTIVATION = "gelu_pytorch_tanh"
HEAD_DIM = SCALAR = 256  # where the file does not say


def describe(fields: Fields) -> Node:
    kinds = layer_types(fields, every=2)
    caps = {"cap": fields.given("attn_logit_softcapping", None)}
    position = read_rotary(fields, context=fields.get("max_position_embeddings"))
    return described(fields, kinds=kinds, attention=caps, position=position)


def layer_types(fields: Fields, *, every: int) -> list[str]:
    """Return the kind of each layer; where the file does not say, each `every`-th has no window."""
    layers = fields.get("num_hidden_layers")
    usual = [FULL if number % every == 0 else SLIDING for number in range(1, layers + 1)]
    kinds = fields.given("layer_types", usual)
    if len(kinds) != layers or {*kinds} - {FULL, SLIDING}:
        raise ValueError(
            f"{fields.place} has layer_types={kinds}, which are not {layers} of {SLIDING} and {FULL}: this model "
            "computes something else and cannot be read"
        )
    return kinds


def described(fields: Fields, *, kinds: list[str], attention: Node, position: Any) -> Node:
    """Return the model.json of a config.json with Gemma's fields.

    Args:
        fields: The config.json.
        kinds: Kind of each layer.
        attention: Keywords of the attention beside its sizes, scale and window.
        position: Node of the position.
    """
    fields.only("hidden_activation", ACTIVATION, default=ACTIVATION)
    fields.skip("hidden_act", "sliding_window_size")  # of older files, which transformers does not read
    fields.only("use_bidirectional_attention", False, None, default=None)
    heads, head_dim = fields.get("num_attention_heads"), fields.get("head_dim", HEAD_DIM)
    scalar, window = fields.get("query_pre_attn_scalar", SCALAR), fields.get("sliding_window", 4096)
    keywords = {
        "heads": heads,
        "key_value_heads": fields.given("num_key_value_heads", heads),
        "head_dim": head_dim,
        "bias": bool(fields.get("attention_bias", False)),
        **({} if scalar == head_dim else {"scale": scalar**-0.5}),
        **{key: value for key, value in attention.items() if value is not None},
    }
    nodes = {
        FULL: part("lm.model.Attention", **keywords),
        SLIDING: part("lm.model.Attention", **keywords, window=window),
    }
    cap = fields.given("final_logit_softcapping", None)
    return {
        "_target_": "lm.model.Transformer",
        "vocab_size": fields.get("vocab_size"),
        "context": fields.get("max_position_embeddings"),
        "dim": fields.get("hidden_size"),
        "layers": len(kinds),
        "attention": one_or_several([nodes[kind] for kind in repeated(kinds)]),
        "feedforward": part("lm.model.GeGLU", hidden=fields.get("intermediate_size"), approximate="tanh"),
        "norm": norm(fields),
        "position": position,
        "block": part("lm.model.SandwichBlock"),
        "scale_embeddings": True,
        **({} if cap is None else {"logit_cap": cap}),
        "tie_embeddings": bool(fields.get("tie_word_embeddings", True)),
    }


def norm(fields: Fields) -> Node:
    """Return the node of Gemma's norm."""
    return part("lm.model.CentredRMSNorm", eps=fields.get("rms_norm_eps", 1e-6))


def configure(model: Transformer) -> dict[str, Any]:
    attention = model.blocks[0].attention
    windows = [block.attention.window for block in model.blocks]
    shared = {key: value for key, value in configured(model).items() if key != "hidden_act"}
    return shared | {
        "hidden_activation": ACTIVATION,
        "attention_bias": attention.query.bias is not None,
        "query_pre_attn_scalar": attention.head_dim if attention.scale is None else round(attention.scale**-2),
        "sliding_window": next((window for window in windows if window is not None), None),
        "layer_types": [FULL if window is None else SLIDING for window in windows],
        "attn_logit_softcapping": attention.cap,
        "final_logit_softcapping": model.logit_cap,
    }


FAMILY = Family("Gemma2ForCausalLM", "gemma2", describe, configure, lambda model: NAMES)
