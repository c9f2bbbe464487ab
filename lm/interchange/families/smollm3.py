"""SmolLM3: Llama in which every fourth layer has no positions."""

from typing import Any

from lm.interchange.families.llama import NAMES, configured, described
from lm.interchange.families.qwen2 import without_window
from lm.interchange.family import Family, Node
from lm.interchange.fields import Fields
from lm.interchange.pattern import FULL, one_or_several, repeated
from lm.interchange.rotary import write_rotary
from lm.model import NoPosition, Transformer

THETA = 2_000_000.0


def describe(fields: Fields) -> Node:
    without_window(fields)
    fields.values.setdefault("tie_word_embeddings", True)
    bias, mlp_bias = (bool(fields.get(name, False)) for name in ("attention_bias", "mlp_bias"))
    node = described(fields, attention={"bias": bias}, feedforward={"bias": mlp_bias}, theta=THETA)
    layers, every = node["layers"], fields.given("no_rope_layer_interval", 4)
    usual = [int(number % every != 0) for number in range(1, layers + 1)]
    rotated = fields.given("no_rope_layers", usual)  # 1 is rotated, whatever the name says
    if len(rotated) != layers:
        raise ValueError(f"{fields.place} has no_rope_layers of {len(rotated)} layers, but num_hidden_layers={layers}")
    pattern = [node["position"] if each else None for each in repeated([bool(each) for each in rotated])]
    return node | {"position": one_or_several(pattern)}


def configure(model: Transformer) -> dict[str, Any]:
    attention, feedforward = model.blocks[0].attention, model.blocks[0].feedforward
    positions = [model.positions[number % len(model.positions)] for number in range(len(model.blocks))]
    rotated = next((each for each in positions if not isinstance(each, NoPosition)), positions[0])
    return configured(model) | {
        "attention_bias": attention.query.bias is not None,
        "mlp_bias": feedforward.down.bias is not None,
        "no_rope_layers": [int(not isinstance(each, NoPosition)) for each in positions],
        "no_rope_layer_interval": 4,
        "layer_types": [FULL] * len(positions),
        "use_sliding_window": False,
        "sliding_window": None,
        **write_rotary(rotated, context=model.context),
    }


FAMILY = Family("SmolLM3ForCausalLM", "smollm3", describe, configure, lambda model: NAMES)
