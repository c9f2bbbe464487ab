"""Mixtral: Mistral with sparse experts, the probabilities of a token's experts always renormalised."""

from dataclasses import replace
from typing import Any

from lm.interchange.families import llama
from lm.interchange.families.llama import configured, described
from lm.interchange.family import Family, Names, Node, Part, part
from lm.interchange.fields import Fields, agreeing
from lm.interchange.layout import Stacked
from lm.model import Transformer
from lm.model.experts import Experts, sparse_layers

BALANCE = 0.001  # weight of the balancing loss where the file does not say
ORDER = ("gate", "up")  # of the rows that one tensor of all experts holds


def describe(fields: Fields) -> Node:
    fields.values.setdefault("rms_norm_eps", 1e-5)
    fields.values.setdefault("num_key_value_heads", 8)
    node = described(fields, attention={"window": fields.get("sliding_window", None)}, theta=1_000_000.0)
    return node | {"feedforward": experts(fields, node["feedforward"], top=2, number=8, renormalise=True)}


def experts(fields: Fields, expert: Node, *, top: int, number: int, renormalise: bool) -> Node:
    """Return the node of sparse experts.

    Args:
        fields: The config.json.
        expert: The node of one expert.
        top: Experts of a token where the file does not say.
        number: Experts where the file does not say.
        renormalise: Whether the probabilities of a token's experts are divided by their sum.
    """
    fields.skip("output_router_logits")  # whether transformers adds the balancing loss, which training here does
    named = {name: fields.get(name, None) for name in ("num_experts", "num_local_experts")}
    return part(
        "lm.model.Experts",
        expert=expert,
        experts=agreeing(fields.place, **named) or number,
        top=fields.given("num_experts_per_tok", top),
        renormalise=renormalise,
        balance=fields.given("router_aux_loss_coef", BALANCE),
    )


def configure(model: Transformer) -> dict[str, Any]:
    first = sparse_layers(model)[0]
    return configured(model, hidden=first.experts[0].down.in_features) | {
        "sliding_window": model.blocks[0].attention.window,
        "num_local_experts": len(first.experts),
        **router_fields(first),
    }


def router_fields(layer: Experts) -> dict[str, Any]:
    return {
        "num_experts_per_tok": layer.top,
        "router_aux_loss_coef": layer.balance,
        "output_router_logits": False,
    }


def names(model: Transformer) -> Names:
    block = {"feedforward.router": "block_sparse_moe.gate"}
    for ours, theirs in {"gate": "w1", "up": "w3", "down": "w2"}.items():
        for number in range(len(sparse_layers(model)[0].experts)):
            block[f"feedforward.experts.{number}.{ours}"] = f"block_sparse_moe.experts.{number}.{theirs}"
    return replace(llama.NAMES, block=llama.ATTENTION | llama.NORMS | block)


def packed_names(model: Transformer, *, of: Names, place: str = "mlp") -> Names:
    """Return names of files that hold the experts of a layer in two tensors, as transformers 5 does in memory.

    Args:
        model: A model with experts.
        of: The names in other files.
        place: Name of the feedforward in a block.
    """
    number = len(sparse_layers(model)[0].experts)
    stacked = Stacked(number)
    block: dict[str, str | Part] = {"feedforward.router": f"{place}.gate"}
    for expert in range(number):
        own = f"feedforward.experts.{expert}"
        for row, ours in enumerate(ORDER):
            rows = len(ORDER) * expert + row
            block[f"{own}.{ours}"] = Part(f"{place}.experts.gate_up_proj", rows, stacked, ending=False)
        block[f"{own}.down"] = Part(f"{place}.experts.down_proj", expert, stacked, ending=False)
    return replace(of, block={**of.block, **block})


FAMILY = Family(
    "MixtralForCausalLM",
    "mixtral",
    describe,
    configure,
    names,
    other_names=(
        lambda model: packed_names(model, of=names(model)),
        lambda model: packed_names(model, of=names(model), place="block_sparse_moe"),
    ),
)
