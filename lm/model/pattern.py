"""Patterns of parts over the layers: one part for all, or a list that is repeated."""

from collections.abc import Callable, Sequence
from typing import Any

Factory = Callable[..., Any]


def entries(part: Factory | Sequence[Factory | None] | None, *, layers: int, key: str) -> list[Factory | None]:
    """Return the distinct entries of a pattern; layer n has entry n modulo their number.

    Args:
        part: A factory, which every layer calls, or a list of them, which is repeated until every layer has one: five
            local layers and a global one make a pattern of six. As many as there are layers name each.
        layers: Layers of the model.
        key: Key of the part in the config, for messages.

    Raises:
        ValueError: The list is empty, or longer than there are layers.
    """
    if not isinstance(part, Sequence):
        return [part]
    if not part:
        raise ValueError(f"{key} is an empty list: name a part, or a list of parts that the layers repeat")
    if len(part) > layers:
        raise ValueError(
            f"{key} lists {len(part)} parts for {layers} layers: shorten the list, which the layers repeat, or raise "
            "model.layers"
        )
    return [*part]
