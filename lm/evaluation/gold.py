"""Which of an item's choices is right, from the many ways in which files say so."""

from collections.abc import Sequence
from string import ascii_uppercase


def gold_of(value: object, choices: Sequence[str], *, place: str, key: str) -> list[int]:
    """Return the indices of the right choices.

    A text of the choices comes before a letter, so that the choices `B, A` mean themselves. Digits that are an index,
    and also the text of another choice, are refused.

    Args:
        value: An index from 0, true or false, a text of the choices, a letter from A, or a list of these.
        choices: The choices.
        place: Where the item stands, for messages.
        key: Config key of the template that gave the value, for messages.

    Raises:
        ValueError: It is none of these.
    """
    values = value if isinstance(value, list | tuple) else [value]
    for each in values:
        if (
            isinstance(each, str)
            and each.isdecimal()
            and each in choices
            and int(each) != [*choices].index(each)
            and int(each) < len(choices)
        ):
            raise ValueError(
                f"{place}: {key} gives the text {each!r}, which is an index and another choice: write | int in the "
                "template for an index"
            )
    found = [_index(each, choices) for each in values]
    if not found or None in found:
        wrong = values[found.index(None)] if found else value
        raise ValueError(
            f"{place}: {key} gives {wrong!r}, which is no index of the {len(choices)} choices (0 to "
            f"{len(choices) - 1}), none of their letters, and none of their texts"
        )
    return found


def _index(value: object, choices: Sequence[str]) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        if text in choices:
            return [*choices].index(text)
        if len(text) == 1 and text.upper() in ascii_uppercase[: len(choices)]:
            return ascii_uppercase.index(text.upper())
        value = int(text) if text.isdecimal() else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return int(value) if isinstance(value, int) and 0 <= value < len(choices) else None
