"""Qwen 2 and 2.5: Llama with biases of queries, keys and values, and a window in some layers if it is turned on."""

from typing import Any

from lm.interchange.families.llama import NAMES, configured, described
from lm.interchange.family import Family, Node
from lm.interchange.fields import Fields
from lm.interchange.pattern import FULL, SLIDING, one_or_several, repeated
from lm.model import Transformer

FIRST = 28  # max_window_layers where the file does not say: layers before it have no window


def describe(fields: Fields) -> Node:
    return windowed(fields, described(fields, attention={"bias": True, "output_bias": False}))


def windowed(fields: Fields, node: Node) -> Node:
    """Return a model.json with the windows of Qwen's fields; published models have one that is turned off.

    Raises:
        ValueError: The fields contradict each other.
    """
    layers, window = fields.get("num_hidden_layers"), fields.get("sliding_window", 4096)
    used = bool(fields.get("use_sliding_window", False)) and window is not None
    first = fields.given("max_window_layers", FIRST)
    usual = [SLIDING if used and number >= first else FULL for number in range(layers)]
    kinds = fields.given("layer_types", usual)
    if len(kinds) != layers or {*kinds} - {FULL, SLIDING}:
        raise ValueError(f"{fields.place} has layer_types={kinds}, which are not {layers} of {SLIDING} and {FULL}")
    if SLIDING in kinds and not used:
        raise ValueError(
            f"{fields.place} contradicts itself: layer_types has {SLIDING}, but use_sliding_window is false or "
            "sliding_window is null; keep what the model was trained with"
        )
    parts = [{**node["attention"], **({"window": window} if kind == SLIDING else {})} for kind in kinds]
    return node | {"attention": one_or_several(repeated(parts))}


def without_window(fields: Fields) -> None:
    """Accept a sliding_window that use_sliding_window turns off, in families of which none is published with one.

    Raises:
        ValueError: It is used.
    """
    fields.only("use_sliding_window", False, default=False)
    if {*fields.given("layer_types", [])} - {FULL}:
        raise ValueError(f"{fields.place} has layer_types with a window, but use_sliding_window is false")
    fields.skip("sliding_window")


def configure(model: Transformer) -> dict[str, Any]:
    return configured(model) | windows(model)


def windows(model: Transformer) -> dict[str, Any]:
    """Return Qwen's fields of the windows of a model."""
    found = [block.attention.window for block in model.blocks]
    first = next((number for number, window in enumerate(found) if window), len(found))
    return {
        "use_sliding_window": any(found),
        "sliding_window": max(filter(None, found), default=None),
        "max_window_layers": first,
        "layer_types": [SLIDING if window else FULL for window in found],
    }


FAMILY = Family("Qwen2ForCausalLM", "qwen2", describe, configure, lambda model: NAMES)
