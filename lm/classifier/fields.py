"""Which fields of a record are its text and its label, and what a label says."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any

from lm.conversation.sources.records import optional_field

TEXTS = ("text", "comment_text", "test_case", "generation", "sentence", "comment", "tweet", "content")
LABELS = ("is_toxic", "toxic", "label_gold", "toxicity", "toxicity_human", "is_hate", "hate", "hateful", "prompt_label")
LABELS += ("offensive", "label")


def found_field(known: Sequence[str], record: Mapping[str, Any], place: str, key: str) -> str:
    """Return the one of the known fields that a record has.

    Args:
        known: Names in their order of preference.
        record: The record.
        place: Where it stands, for messages.
        key: Config key that names the field, for messages.
    """
    for name in known:
        if name in record:
            return name
    what = key.rpartition(".")[2].removesuffix("_field")
    raise ValueError(
        f"{place} has no field that is known as a {what}: it has {', '.join(map(repr, record)) or 'none'}; set "
        f"{key}={_likely(record, what)}"
    )


def _likely(record: Mapping[str, Any], what: str) -> str:
    """A field to name in a remedy: the longest text, or the shortest value."""
    sizes = {name: len(f"{value}") for name, value in record.items()}
    return (max if what == "text" else min)(sizes, key=sizes.__getitem__, default="NAME")


def value_of(record: Mapping[str, Any], name: str, key: str, place: str) -> Any:
    """Return the value of a field, which must be there; a text may be empty.

    Args:
        record: The record.
        name: The field, as prompt.text.
        key: Config key that names the field, for messages.
        place: Where the record stands, for messages.
    """
    found, what = optional_field(record, name), key.rpartition(".")[2].removesuffix("_field")
    if found is None or (found == "" and what != "text"):
        near = get_close_matches(name, record, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, record)) or 'none'}"
        state = "is empty" if name in record else f"is missing: {hint}"
        raise ValueError(f"{place}: the {what} in the field {name!r} {state}; set {key}, or mend the row")
    return found


def number_of(value: Any) -> float | None:
    """A label as a finite number; None if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) and not isinstance(value, bool) else None


def word_of(value: Any) -> str:
    """A label as a word: without blanks around it, in lower case; 1.0 is 1."""
    number = number_of(value)
    return f"{number:g}" if number is not None else f"{value}".strip().lower()
