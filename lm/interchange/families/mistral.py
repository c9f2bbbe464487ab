"""Mistral 7B and what has its config: Llama with a sliding window."""

from typing import Any

from lm.interchange.families.llama import NAMES, check_common_scaling, configured, described
from lm.interchange.family import Family, Node
from lm.interchange.fields import Fields
from lm.model import Transformer

WINDOW = 4096  # where the file does not say; null is none


def describe(fields: Fields) -> Node:
    return described(fields, attention={"window": fields.get("sliding_window", WINDOW)})


def configure(model: Transformer) -> dict[str, Any]:
    check_common_scaling(model)
    return configured(model) | {"sliding_window": model.blocks[0].attention.window}


FAMILY = Family("MistralForCausalLM", "mistral", describe, configure, lambda model: NAMES)
