"""GPT-2: learned positions, LayerNorm, GELU, and matrices with inputs as rows."""

from typing import Any

from lm.interchange.family import Family, Names, Node, Part, part
from lm.interchange.fields import Fields
from lm.interchange.layout import Rows, Transposed
from lm.model import Transformer

ACTIVATIONS = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu_fast": "tanh", "gelu": "none"}
NAMES = Names(
    outer={
        "embedding": "transformer.wte",
        "position_embedding": "transformer.wpe",
        "norm": "transformer.ln_f",
        "output": "lm_head",
    },
    block={
        "attention.query": Part("attn.c_attn", 0, Transposed(Rows())),
        "attention.key": Part("attn.c_attn", 1, Transposed(Rows())),
        "attention.value": Part("attn.c_attn", 2, Transposed(Rows())),
        "attention.output": Part("attn.c_proj", 0, Transposed()),
        "feedforward.up": Part("mlp.c_fc", 0, Transposed()),
        "feedforward.down": Part("mlp.c_proj", 0, Transposed()),
        "attention_norm": "ln_1",
        "feedforward_norm": "ln_2",
    },
    prefix="transformer.h.{n}.",
    base="transformer.",
    ignored=(".attn.bias", ".attn.masked_bias"),
)


def describe(fields: Fields) -> Node:
    fields.only("scale_attn_weights", True, default=True)
    fields.only("scale_attn_by_inverse_layer_idx", False, default=False)
    fields.only("add_cross_attention", False, default=False)
    dim = fields.get("n_embd")
    activation = fields.only("activation_function", *ACTIVATIONS, default="gelu_new")
    return {
        "_target_": "lm.model.Transformer",
        "vocab_size": fields.get("vocab_size"),
        "context": fields.get("n_positions"),
        "dim": dim,
        "layers": fields.get("n_layer"),
        "attention": part("lm.model.Attention", heads=fields.get("n_head"), bias=True),
        "feedforward": part(
            "lm.model.GELU",
            hidden=fields.given("n_inner", 4 * dim),
            bias=True,
            approximate=ACTIVATIONS[activation],
        ),
        "norm": part("torch.nn.LayerNorm", eps=fields.get("layer_norm_epsilon", 1e-5)),
        "position": None,
        "position_embedding": part("lm.model.LearnedPositions"),
        "tie_embeddings": bool(fields.get("tie_word_embeddings", True)),
    }


def configure(model: Transformer) -> dict[str, Any]:
    feedforward = model.blocks[0].feedforward
    return {
        "vocab_size": model.vocab_size,
        "n_positions": model.context,
        "n_embd": model.embedding.embedding_dim,
        "n_layer": len(model.blocks),
        "n_head": model.blocks[0].attention.heads,
        "n_inner": feedforward.down.in_features,
        "activation_function": "gelu_new" if feedforward.approximate == "tanh" else "gelu",
        "layer_norm_epsilon": model.norm.eps,
        "scale_attn_weights": True,
        "tie_word_embeddings": model.output is None,
    }


FAMILY = Family("GPT2LMHeadModel", "gpt2", describe, configure, lambda model: NAMES)
