"""Llama 1 to 3.x, SmolLM 1 and 2, and what is a Llama by another name."""

from typing import Any

from lm.interchange.family import Family, Names, Node, part
from lm.interchange.fields import Fields
from lm.interchange.rotary import contexts, read_rotary, their_context, write_rotary
from lm.model import LongRoPEScaling, Transformer

OUTER = {"embedding": "model.embed_tokens", "norm": "model.norm", "output": "lm_head"}
ATTENTION = {
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
}
FEEDFORWARD = {
    "feedforward.gate": "mlp.gate_proj",
    "feedforward.up": "mlp.up_proj",
    "feedforward.down": "mlp.down_proj",
}
NORMS = {"attention_norm": "input_layernorm", "feedforward_norm": "post_attention_layernorm"}
IGNORED = ("rotary_emb.inv_freq",)
NAMES = Names(OUTER, ATTENTION | FEEDFORWARD | NORMS, ignored=IGNORED)


def describe(fields: Fields) -> Node:
    attention_bias = bool(fields.get("attention_bias", False))
    return described(
        fields, attention={"bias": attention_bias}, feedforward={"bias": bool(fields.get("mlp_bias", False))}
    )


def described(fields: Fields, *, attention: Node, feedforward: Node | None = None, theta: float = 10_000.0) -> Node:
    """Return the model.json of a config.json with the names of Llama's, which many families share.

    Args:
        fields: The config.json.
        attention: Keywords of the attention beside its sizes.
        feedforward: Keywords of the feedforward beside its size.
        theta: Theta of the rotary positions where the file has none.
    """
    fields.only("hidden_act", "silu", default="silu")
    heads, context = fields.get("num_attention_heads"), fields.get("max_position_embeddings")
    sizes = {"heads": heads, "key_value_heads": fields.given("num_key_value_heads", heads)}
    if head_dim := fields.get("head_dim", None):
        sizes["head_dim"] = head_dim
    position = read_rotary(fields, context=context, theta=theta)
    return {
        "_target_": "lm.model.Transformer",
        "vocab_size": fields.get("vocab_size"),
        "context": contexts(context, position),
        "dim": fields.get("hidden_size"),
        "layers": fields.get("num_hidden_layers"),
        "attention": part("lm.model.Attention", **sizes, **attention),
        "feedforward": part("lm.model.SwiGLU", hidden=fields.get("intermediate_size"), **(feedforward or {})),
        "norm": part("torch.nn.RMSNorm", eps=fields.get("rms_norm_eps", 1e-6)),
        "position": position,
        "tie_embeddings": bool(fields.get("tie_word_embeddings", False)),
    }


def configure(model: Transformer) -> dict[str, Any]:
    check_common_scaling(model)
    attention, feedforward = model.blocks[0].attention, model.blocks[0].feedforward
    return configured(model) | {
        "attention_bias": attention.query.bias is not None,
        "mlp_bias": feedforward.down.bias is not None,
    }


def check_common_scaling(model: Transformer) -> None:
    """Refuse two sets of rotary factors, which programs expect of Phi-3 alone; an export then becomes one."""
    if isinstance(getattr(model.positions[0], "scaling", None), LongRoPEScaling):
        raise ValueError("LongRoPEScaling is of Phi-3")


def configured(model: Transformer, *, hidden: int | None = None) -> dict[str, Any]:
    """Return the fields that families with Llama's names share.

    Args:
        model: The model.
        hidden: Hidden features of a feedforward; None for those of the first layer.
    """
    attention = model.blocks[0].attention
    return {
        "vocab_size": model.vocab_size,
        "max_position_embeddings": their_context(model),
        "hidden_size": model.embedding.embedding_dim,
        "intermediate_size": model.blocks[0].feedforward.down.in_features if hidden is None else hidden,
        "num_hidden_layers": len(model.blocks),
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.key_value_heads,
        "head_dim": attention.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": model.norm.eps,
        "tie_word_embeddings": model.output is None,
        **write_rotary(model.positions[0], context=model.context),
    }


FAMILY = Family("LlamaForCausalLM", "llama", describe, configure, lambda model: NAMES)
