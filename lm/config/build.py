"""Build the objects that a plain config describes."""

import re
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from lm.config.faults import with_full_keys
from lm.config.target import is_node, locate, signature


def build(value: Any, *, key: str = "") -> Any:
    """Build the objects of a plain value.

    Args:
        value: Plain config: a node with `_target_`, a list, a dict, or a scalar.
        key: Its place in the config, for error messages.

    Raises:
        ValueError: With the key, if a library's constructor raises: that is a mistake in the config too.
    """
    if isinstance(value, list):
        return [build(item, key=f"{key}[{i}]") for i, item in enumerate(value)]
    if not is_node(value):
        parts = value.items() if isinstance(value, dict) else ()
        return {name: build(item, key=f"{key}.{name}") for name, item in parts} if parts else value
    try:
        return _direct(instantiate(value, _convert_="all"))
    except InstantiationException as error:
        reason, _, inner = str(error).partition("\nfull_key: ")
        target = (re.findall(r"'([\w.]+)'", reason) or [value["_target_"]])[0]
        where = ".".join(filter(None, (key, inner.strip())))
        if error.__cause__ is not None and target.startswith("lm."):
            raise _at_its_key(error.__cause__, target, where) from None  # ours name the remedy
        raise ValueError(f"{where}: {target} refuses this: {error.__cause__ or reason}") from error.__cause__


def _direct(built: Any) -> Any:
    """A factory of ours as a plain partial, and anything else as it is.

    Hydra's own checks its target again at each call, which takes 0.1 ms: a schedule is called at every step.
    """
    if isinstance(built, partial) and getattr(built.func, "__module__", "").startswith("lm."):
        return partial(built.func, *built.args, **built.keywords)
    return built


def _at_its_key(error: BaseException, target: str, where: str) -> BaseException:
    """The error of one of our constructors, with full keys in its message."""
    found = signature(locate(target)[0])
    if not where or found is None or not isinstance(error, ValueError):
        return error
    message = with_full_keys(str(error), found.parameters, where)
    return error if message == str(error) else ValueError(message)
