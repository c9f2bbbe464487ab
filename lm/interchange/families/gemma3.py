"""Gemma 3 (text): five layers with a window, then one without and with another theta; heads normalised."""

from dataclasses import replace
from typing import Any

from lm.interchange.families import gemma2, qwen3
from lm.interchange.family import Family, Node
from lm.interchange.fields import Fields, agreeing
from lm.interchange.pattern import FULL, SLIDING, one_or_several, repeated
from lm.interchange.rotary import read_rotary, write_rotary
from lm.model import Transformer

NAMES = replace(gemma2.NAMES, block={**gemma2.NAMES.block, **qwen3.HEAD_NORMS})
THETA = {FULL: 1_000_000.0, SLIDING: 10_000.0}
EVERY = 6  # layer, by default, has no window


def describe(fields: Fields) -> Node:
    old = [fields.given(name, None) for name in ("sliding_window_pattern", "_sliding_window_pattern")]
    every = agreeing(fields.place, sliding_window_pattern=old[0], _sliding_window_pattern=old[1])
    kinds = gemma2.layer_types(fields, every=every or EVERY)
    attention = {
        "cap": fields.given("attn_logit_softcapping", None),
        "query_key_norm": gemma2.norm(fields),
    }
    rotations = {kind: _rotary(fields, kind) for kind in (FULL, SLIDING)}
    position = one_or_several([rotations[kind] for kind in repeated(kinds)])
    return gemma2.described(fields, kinds=kinds, attention=attention, position=position)


def _rotary(fields: Fields, kind: str) -> Node:
    """The position of one kind of layer: of its part of `rope_parameters`, or of the fields that older files have."""
    new = fields.given("rope_parameters", {})
    if new and not {*new} <= {FULL, SLIDING}:
        raise ValueError(f"{fields.place} has rope_parameters of {', '.join(new)}; known are {FULL} and {SLIDING}")
    theta = fields.get("rope_theta" if kind == FULL else "rope_local_base_freq", None)
    values = {
        "rope_parameters": new.get(kind),
        "rope_theta": theta,
        "rope_scaling": fields.get("rope_scaling", None) if kind == FULL else None,
    }
    own = Fields(values, place=fields.place)
    return read_rotary(own, context=fields.get("max_position_embeddings"), theta=THETA[kind])


def configure(model: Transformer) -> dict[str, Any]:
    shared = gemma2.configure(model)
    found = {}
    for number, kind in reversed([*enumerate(shared["layer_types"])]):
        found[kind] = write_rotary(model.positions[number % len(model.positions)], context=model.context)
    usual = {kind: {"rope_type": "default", "rope_theta": theta} for kind, theta in THETA.items()}
    both = {kind: found[kind]["rope_parameters"] if kind in found else usual[kind] for kind in (FULL, SLIDING)}
    return shared | {
        "rope_parameters": both,
        "rope_theta": both[FULL]["rope_theta"],
        "rope_local_base_freq": both[SLIDING]["rope_theta"],
        "rope_scaling": found[FULL]["rope_scaling"] if FULL in found else None,
        "use_bidirectional_attention": False,
    }


FAMILY = Family("Gemma3ForCausalLM", "gemma3_text", describe, configure, lambda model: NAMES)
