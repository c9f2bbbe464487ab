"""What a person typed on the command line, as Hydra's grammar has to have it."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.errors import OverrideParseException
from omegaconf import OmegaConf

from lm.config.composition import Composition
from lm.config.hints import alternatives
from lm.config.refusal import REFUSALS
from lm.config.target import locate, signature


def readable(
    composition: Composition, override: str, *, multirun: bool = False, command: Sequence[str] | None = None
) -> str:
    """`key=text` as it was typed, quoted where Hydra would stumble over the text or change it.

    `command` is all that was typed, where that is known: what is composed from it to find out will be wanted again.

    Its grammar refuses some brackets and quotes, drops outer spaces, and makes numbers, lists and sweeps of what a
    job wants as text: `message=42`, `message='Hello, how are you?'`.
    """
    key, equals, text = override.partition("=")
    if not equals or composition.options(key.lstrip("+")):
        return override
    quoted = f"{key}={_quoted(text)}"
    try:
        (read,) = composition.parse([override])
    except OverrideParseException:
        with suppress(OverrideParseException):
            composition.parse([quoted])
            return quoted
        return override
    changed = isinstance(read.value(), int | float) or ", " in text or (read.is_sweep_override() and "(" in text)
    spoken = changed and not multirun and _is_text(composition, key, command or [override])
    typed_as_is = text[:1] in ("'", '"', "[") or text == "null"
    return quoted if text != text.strip() or (spoken and not typed_as_is) else override


def literal(value: Any) -> str:
    """A plain value as it would be typed behind `key=`."""
    match value:
        case dict():
            return f"{{{', '.join(f'{key}: {literal(item)}' for key, item in value.items())}}}"
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case str():
            return _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    within = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + found[2].replace("'", "\\'"), text)
    return f"'{within}'"


def _is_text(composition: Composition, key: str, command: Sequence[str]) -> bool:
    """Whether the job's function wants a text for one of its own keys."""
    try:
        config = composition.compose(command)
    except REFUSALS:  # of this text, perhaps
        config = composition.plain
    target, _ = locate(str(OmegaConf.select(config, "_target_")))
    parameter = getattr(signature(target), "parameters", {}).get(key) if target else None
    return parameter is not None and str in alternatives(parameter.annotation)
