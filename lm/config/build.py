"""The objects that a plain config describes."""

import re
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from lm.config.faults import keyed
from lm.config.target import is_node, locate, signature


def build(value: Any, *, key: str = "") -> Any:
    """The objects that a plain `value` describes; `key` is where it stands in the config.

    What only a library's constructor can refuse is a mistake in the config all the same, and told as one.
    """
    if isinstance(value, list):
        return [build(item, key=f"{key}[{i}]") for i, item in enumerate(value)]
    if not is_node(value):
        parts = value.items() if isinstance(value, dict) else ()
        return {name: build(item, key=f"{key}.{name}") for name, item in parts} if parts else value
    try:
        return instantiate(value, _convert_="all")
    except InstantiationException as error:
        told, _, inner = str(error).partition("\nfull_key: ")
        target = (re.findall(r"'([\w.]+)'", told) or [value["_target_"]])[0]
        where = ".".join(filter(None, (key, inner.strip())))
        if error.__cause__ is not None and target.startswith("lm."):
            raise _at_its_key(error.__cause__, target, where) from None  # ours say themselves what is wrong
        raise ValueError(f"{where}: {target} refuses this: {error.__cause__ or told}") from error.__cause__


def _at_its_key(error: BaseException, target: str, where: str) -> BaseException:
    """The error of a constructor of ours, its message with the keys of the config at hand."""
    found = signature(locate(target)[0])
    if not where or found is None or not isinstance(error, ValueError):
        return error
    told = keyed(str(error), found.parameters, where)
    return error if told == str(error) else ValueError(told)
