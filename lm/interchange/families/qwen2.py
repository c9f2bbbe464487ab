"""Qwen 2 and 2.5: Llama with biases of queries, keys and values."""

from typing import Any

from lm.interchange.families.llama import NAMES, configured, described
from lm.interchange.family import Family, Node
from lm.interchange.fields import Fields
from lm.model import Transformer


def describe(fields: Fields) -> Node:
    without_window(fields)
    return described(fields, attention={"bias": True, "output_bias": False})


def without_window(fields: Fields) -> None:
    """Accept a sliding_window that use_sliding_window turns off, as in every published Qwen.

    Raises:
        ValueError: It is used.
    """
    fields.only("use_sliding_window", False, default=False)
    kinds = fields.given("layer_types", [])
    if {*kinds} - {"full_attention"}:
        raise ValueError(f"{fields.place} has layer_types with a sliding window, but use_sliding_window is false")
    fields.skip("sliding_window")


def configure(model: Transformer) -> dict[str, Any]:
    return configured(model) | {"use_sliding_window": False}


FAMILY = Family("Qwen2ForCausalLM", "qwen2", describe, configure, lambda model: NAMES)
