"""What a person typed on the command line, as Hydra's grammar has to have it."""

import re
from contextlib import suppress

from hydra.errors import OverrideParseException
from omegaconf import OmegaConf

from lm.config.composition import Composition
from lm.config.hints import alternatives
from lm.config.target import locate, signature


def readable(composition: Composition, override: str, *, multirun: bool = False) -> str:
    """`key=text` as it was typed, quoted where Hydra would stumble over the text or change it.

    Its grammar refuses some brackets and quotes, drops outer spaces, and makes numbers, lists and sweeps of what a
    job wants as text: `message=42`, `message='Hello, how are you?'`.
    """
    key, equals, text = override.partition("=")
    if not equals or composition.options(key.lstrip("+")):
        return override
    within = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + found[2].replace("'", "\\'"), text)
    quoted = f"{key}='{within}'"
    try:
        (read,) = composition.parse([override])
    except OverrideParseException:
        with suppress(OverrideParseException):
            composition.parse([quoted])
            return quoted
        return override
    changed = isinstance(read.value(), int | float) or ", " in text or (read.is_sweep_override() and "(" in text)
    spoken = changed and not multirun and _is_text(composition, key)
    typed_as_is = text[:1] in ("'", '"', "[") or text == "null"
    return quoted if text != text.strip() or (spoken and not typed_as_is) else override


def _is_text(composition: Composition, key: str) -> bool:
    """Whether the job's function wants a text for one of its own keys."""
    target, _ = locate(str(OmegaConf.select(composition.plain, "_target_")))
    parameter = getattr(signature(target), "parameters", {}).get(key) if target else None
    return parameter is not None and str in alternatives(parameter.annotation)
