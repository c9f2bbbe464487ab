"""Rotary positions in config.json: `rope_parameters` of transformers 5, `rope_theta` and `rope_scaling` before.

Both are read and both are written: a program that knows only one of them would silently take 10000.
"""

from collections.abc import Mapping
from typing import Any

from lm.interchange.family import Node, part
from lm.interchange.fields import Fields, agreeing
from lm.model import (
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    LongRoPEScaling,
    NoPosition,
    Rotary,
    Transformer,
    YarnScaling,
)

THETA = 10_000.0
NAMES = {  # of a scaling's parameters: ours → theirs
    "linear": {"factor": "factor"},
    "dynamic": {"factor": "factor"},
    "llama3": {
        "factor": "factor",
        "original_context": "original_max_position_embeddings",
        "low": "low_freq_factor",
        "high": "high_freq_factor",
    },
    "yarn": {
        "factor": "factor",
        "original_context": "original_max_position_embeddings",
        "fast": "beta_fast",
        "slow": "beta_slow",
        "attention_factor": "attention_factor",
        "truncate": "truncate",
    },
    "longrope": {
        "short": "short_factor",
        "long": "long_factor",
        "original_context": "original_max_position_embeddings",
        "factor": "factor",
        "attention_factor": "attention_factor",
    },
}
CLASSES = {
    "linear": LinearScaling,
    "dynamic": DynamicScaling,
    "llama3": Llama3Scaling,
    "yarn": YarnScaling,
    "longrope": LongRoPEScaling,
}
SYNONYMS = {"su": "longrope"}
UNUSED = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
UNREAD = {"dynamic": {"original_max_position_embeddings"}}  # transformers takes max_position_embeddings in its place


def read_rotary(fields: Fields, *, context: int, theta: float = THETA, fraction: float = 1.0) -> Node:
    """Return the node of the position that all layers share.

    Args:
        fields: The config.json.
        context: Its max_position_embeddings.
        theta: Theta where the file has none.
        fraction: Share of a head that is rotated, where the file has none.

    Raises:
        ValueError: A field is not known, or two spellings contradict each other.
    """
    place = fields.place
    new, old = fields.given("rope_parameters", {}), fields.given("rope_scaling", {})
    if any(isinstance(value, Mapping) for value in new.values()):
        raise ValueError(f"{place} has rope_parameters of several kinds of layers, which this family does not have")
    kind = agreeing(place, rope_parameters__rope_type=_kind(new), rope_scaling__type=_kind(old)) or "default"
    base = agreeing(place, rope_parameters__rope_theta=new.get("rope_theta"), rope_theta=fields.get("rope_theta", None))
    share = agreeing(
        place,
        rope_parameters__partial_rotary_factor=new.get("partial_rotary_factor"),
        partial_rotary_factor=fields.get("partial_rotary_factor", None),
    )
    keywords: dict[str, Any] = {"theta": float(theta if base is None else base)}
    share = fraction if share is None else share
    keywords |= {"fraction": float(share)} if share != 1 else {}
    original = fields.get("original_max_position_embeddings", None)
    if kind != "default":
        keywords["scaling"] = _scaling(kind, {**old, **new}, place=place, context=context, original=original)
    return part("lm.model.Rotary", **keywords)


def contexts(context: int, position: Node) -> int:
    """Return the context of a model whose config.json says `context`: with dynamic scaling it is that before."""
    scaling = position.get("scaling") or {}
    dynamic = scaling.get("_target_") == "lm.model.DynamicScaling"
    return int(context * scaling["factor"]) if dynamic else context


def their_context(model: Transformer) -> int:
    """Return the max_position_embeddings of a model: the inverse of `contexts`."""
    scaling = getattr(model.positions[0], "scaling", None)
    return scaling.original_context if isinstance(scaling, DynamicScaling) else model.context


def write_rotary(position: Rotary | NoPosition, *, context: int) -> dict[str, Any]:
    """Return the fields of config.json of a position, in both spellings."""
    if isinstance(position, NoPosition):
        return {}
    scaling, kind = position.scaling, "default"
    parameters: dict[str, Any] = {}
    if scaling is not None:
        kind = next(name for name, each in CLASSES.items() if type(scaling) is each)
        parameters = {theirs: getattr(scaling, ours) for ours, theirs in NAMES[kind].items() if hasattr(scaling, ours)}
    if kind == "longrope":
        parameters["factor"] = context / scaling.original_context
    both = {"rope_type": kind, **parameters}
    return {
        "rope_theta": position.theta,
        "rope_parameters": {**both, "rope_theta": position.theta},
        "rope_scaling": None if kind == "default" else both,
        **({"original_max_position_embeddings": scaling.original_context} if kind == "longrope" else {}),
    }


def _kind(parameters: Mapping[str, Any]) -> str | None:
    kind = parameters.get("rope_type", parameters.get("type"))
    return SYNONYMS.get(kind, kind)


def _scaling(kind: str, given: Mapping[str, Any], *, place: str, context: int, original: int | None) -> Node:
    if kind not in NAMES:
        raise ValueError(f"{place} has rotary positions of the type {kind!r}; known are default, {', '.join(NAMES)}")
    theirs = {**given}
    if "original_context" in NAMES[kind]:
        before = theirs.get("original_max_position_embeddings") or original or context
        theirs["original_max_position_embeddings"] = before
        if kind in ("longrope", "yarn") and not theirs.get("factor"):
            theirs["factor"] = context / before
    unknown = {*theirs} - {*NAMES[kind].values()} - UNUSED - UNREAD.get(kind, set())
    unknown = {name for name in unknown if theirs[name] not in (None, 1, 1.0) or name.startswith("mscale")}
    if unknown:
        listed = ", ".join(f"{name}={theirs[name]!r}" for name in sorted(unknown))
        raise ValueError(f"{place} has rotary positions of the type {kind} with {listed}, which is not known")
    pairs = {ours: theirs[name] for ours, name in NAMES[kind].items() if theirs.get(name) is not None}
    pairs |= {"original_context": context} if kind == "dynamic" else {}
    return part(f"lm.model.{CLASSES[kind].__name__}", **pairs)
