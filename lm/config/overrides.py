"""Overrides as a person types them, quoted as Hydra's grammar needs them."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.errors import OverrideParseException

from lm.config.composition import Composition, entry
from lm.config.declared import declared
from lm.config.hints import alternatives
from lm.config.hydra_errors import COMPOSITION_ERRORS
from lm.config.target import signature

UNC = re.compile(r"\\\\[\w.$-]+\\")  # of a path on another Windows machine; Hydra would take one backslash for none


def quoted_as_needed(
    composition: Composition, override: str, *, multirun: bool = False, command: Sequence[str] | None = None
) -> str:
    """`key=text` with the text quoted where Hydra would refuse or change it.

    Hydra's grammar refuses some brackets and quotes, drops outer spaces, and reads numbers, lists and sweeps where a
    job wants text: `message=42`, `message='Hello, how are you?'`.

    Args:
        composition: Configs of the job.
        override: The override as typed.
        multirun: Whether several values are a sweep.
        command: All overrides, if known: the config composed from them will be needed again.
    """
    key, equals, text = override.partition("=")
    if override.startswith("~") and not equals and key[1:] in composition.groups:
        return f"{key[1:]}=null"  # what Hydra means by it, but the part stays as null
    if not equals or composition.options(key.lstrip("+")):
        return override
    quoted = f"{key}={_quoted(text)}"
    if UNC.match(text):
        return quoted
    try:
        (read,) = composition.parse([override])
    except OverrideParseException:
        with suppress(OverrideParseException):
            composition.parse([quoted])
            return quoted
        return override
    changed = isinstance(read.value(), int | float) or ", " in text or (read.is_sweep_override() and "(" in text)
    is_text = changed and not multirun and _is_text(composition, key, command or [override])
    typed_as_is = text[:1] in ("'", '"', "[") or text == "null"
    return quoted if text != text.strip() or (is_text and not typed_as_is) else override


def literal(value: Any) -> str:
    """A plain value as it would be typed after `key=`."""
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
    """Whether a string belongs at this key, by the signature that reads it."""
    try:
        config = composition.compose(command)
    except COMPOSITION_ERRORS:  # perhaps because of this text
        config = composition.plain
    here = entry(config, key.lstrip("+"))
    target, _ = declared(here.reader)
    parameter = getattr(signature(target), "parameters", {}).get(here.parameter) if target else None
    direct = key.rpartition(".")[2].lstrip("+") == here.parameter
    return direct and parameter is not None and str in alternatives(parameter.annotation)
