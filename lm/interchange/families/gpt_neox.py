"""GPT-NeoX and Pythia: both parts of a block read the same input, and a share of each head is rotated."""

from typing import Any

from lm.interchange.families.gpt2 import ACTIVATIONS
from lm.interchange.family import Family, Names, Node, Part, part
from lm.interchange.fields import Fields, agreeing
from lm.interchange.layout import Interleaved
from lm.interchange.rotary import read_rotary, write_rotary
from lm.model import ParallelBlock, Transformer


def describe(fields: Fields) -> Node:
    fields.skip("rotary_emb_base", "rotary_pct")
    context, old = fields.get("max_position_embeddings"), fields.values
    new = fields.given("rope_parameters", {})
    theta = agreeing(fields.place, rotary_emb_base=old.get("rotary_emb_base"), rope_theta=new.get("rope_theta"))
    share = agreeing(
        fields.place, rotary_pct=old.get("rotary_pct"), partial_rotary_factor=new.get("partial_rotary_factor")
    )
    bias = bool(fields.get("attention_bias", True))
    parallel = {"block": part("lm.model.ParallelBlock")} if fields.get("use_parallel_residual", True) else {}
    activation = fields.only("hidden_act", *ACTIVATIONS, default="gelu")
    return {
        "_target_": "lm.model.Transformer",
        "vocab_size": fields.get("vocab_size"),
        "context": context,
        "dim": fields.get("hidden_size"),
        "layers": fields.get("num_hidden_layers"),
        "attention": part("lm.model.Attention", heads=fields.get("num_attention_heads"), bias=bias),
        "feedforward": part(
            "lm.model.GELU",
            hidden=fields.get("intermediate_size"),
            bias=True,
            approximate=ACTIVATIONS[activation],
        ),
        "norm": part("torch.nn.LayerNorm", eps=fields.get("layer_norm_eps", 1e-5)),
        "position": read_rotary(
            fields,
            context=context,
            theta=10_000.0 if theta is None else theta,
            fraction=0.25 if share is None else share,
        ),
        **parallel,
        "tie_embeddings": bool(fields.get("tie_word_embeddings", False)),
    }


def configure(model: Transformer) -> dict[str, Any]:
    attention, feedforward = model.blocks[0].attention, model.blocks[0].feedforward
    rotary = write_rotary(model.positions[0], context=model.context)
    share = model.positions[0].rotated / attention.head_dim
    rotary["rope_parameters"] = {**rotary["rope_parameters"], "partial_rotary_factor": share}
    return {
        "vocab_size": model.vocab_size,
        "max_position_embeddings": model.context,
        "hidden_size": model.embedding.embedding_dim,
        "intermediate_size": feedforward.down.in_features,
        "num_hidden_layers": len(model.blocks),
        "num_attention_heads": attention.heads,
        "hidden_act": "gelu_new" if feedforward.approximate == "tanh" else "gelu",
        "layer_norm_eps": model.norm.eps,
        "attention_bias": attention.query.bias is not None,
        "use_parallel_residual": isinstance(model.blocks[0], ParallelBlock),
        "rotary_pct": share,
        "rotary_emb_base": model.positions[0].theta,
        "tie_word_embeddings": model.output is None,
        **rotary,
    }


def names(model: Transformer) -> Names:
    """Return the names; queries, keys and values lie head by head in one matrix."""
    joined = Interleaved(model.blocks[0].attention.head_dim)
    return Names(
        outer={"embedding": "gpt_neox.embed_in", "norm": "gpt_neox.final_layer_norm", "output": "embed_out"},
        block={
            "attention.query": Part("attention.query_key_value", 0, joined),
            "attention.key": Part("attention.query_key_value", 1, joined),
            "attention.value": Part("attention.query_key_value", 2, joined),
            "attention.output": "attention.dense",
            "feedforward.up": "mlp.dense_h_to_4h",
            "feedforward.down": "mlp.dense_4h_to_h",
            "attention_norm": "input_layernorm",
            "feedforward_norm": "post_attention_layernorm",
        },
        prefix="gpt_neox.layers.{n}.",
        base="gpt_neox.",
        ignored=(".attention.bias", ".attention.masked_bias", "rotary_emb.inv_freq"),
    )


FAMILY = Family("GPTNeoXForCausalLM", "gpt_neox", describe, configure, names)
