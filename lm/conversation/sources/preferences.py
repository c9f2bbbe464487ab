"""Recognise preference data: a better and a worse answer to one prompt, or answers with a verdict (KTO)."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from lm.conversation.sources.record import Record, is_empty
from lm.sources.fields import is_missing

Preferences = Literal["refuse", "chosen"]
WORSE = re.compile(r"(^|_)(rejected|dispreferred|un_?preferred|non_?preferred|worse|loser)(_|$)")
BETTER = re.compile(r"(^|_)(chosen|preferred|better|best|winning|winner|safer)(_|$)")
OPPOSITES = [("win", "lose"), ("good", "bad"), ("positive", "negative"), ("pos", "neg"), ("accept", "reject")]
NUMBERED = re.compile(
    r"((?:\w+_)??(?:response|answer|output|completion|reply|generation|summary|candidate|conversation|ref))_?(\w)$"
)
SUFFIXES = [("j", "k"), ("a", "b"), ("0", "1"), ("1", "2")]
DECIDED = ("j", "k")  # of which the first is the better one
VERDICT = re.compile(r"(^|_)(chosen|preferred|preference|better|winner|safer|choice)(_|$)")
SCORE = re.compile(r"(^score_\w$|_score$)")  # of one of two answers
ABOUT = re.compile(r"_(reason|model|id|url|source|date|at|by|name|type|index)$")  # what is said about an answer
LABELS = ("label", "kto_tag", "desirable", "is_desirable", "preferred", "is_preferred", "chosen", "is_chosen")
REMEDY = "instruct learns from one answer, not from comparisons"


class Pair(NamedTuple):
    """The fields of two answers to one prompt.

    Args:
        better: Field of the better answer; "" where the record does not name one.
        worse: Field of the worse answer.
        decided: Whether the names of the fields say which one is better.
    """

    better: str
    worse: str
    decided: bool


def find_pair(record: Mapping[str, Any]) -> Pair | None:
    """Return the fields by which a record compares two answers; None for any other record."""
    if not _may_compare(tuple(record)):  # nearly every record ends here
        return None
    return _find_pair({field: value for field, value in record.items() if not is_empty(value)})


def compared_fields(record: Mapping[str, Any]) -> Pair | None:
    """Return the fields of two answers by their names alone, also where one of them is empty."""
    texts = {
        field: "text" for field, value in record.items() if not isinstance(value, int | float) or is_missing(value)
    }
    return _find_pair({**record, **texts})


@lru_cache
def _may_compare(fields: tuple[str, ...]) -> bool:
    return _find_pair(dict.fromkeys(fields, "text")) is not None


def _find_pair(record: Mapping[str, Any]) -> Pair | None:
    names = {plain_name(field): field for field, value in record.items() if isinstance(value, str | list | dict)}
    names = {name: field for name, field in names.items() if not ABOUT.search(name)}
    for name in names:
        if WORSE.search(name):
            better = (names[other] for other in names if BETTER.search(other) and not WORSE.search(other))
            return Pair(next(better, ""), names[name], decided=True)
    for first, second in OPPOSITES:
        if first in names and second in names:
            return Pair(names[first], names[second], decided=True)
    judged = any(VERDICT.search(plain_name(field)) or SCORE.search(plain_name(field)) for field in record)
    numbered = {match.groups(): names[name] for name in names if (match := NUMBERED.match(name))}
    for stem, suffix in numbered:
        for first, second in SUFFIXES:
            if suffix == first and (stem, second) in numbered and (judged or (first, second) == DECIDED):
                return Pair(numbered[stem, first], numbered[stem, second], decided=(first, second) == DECIDED)
    return None


def better_texts(record: Mapping[str, Any]) -> list[str]:
    """Return the fields that hold a better answer as text, as `chosen`."""
    named = (field for field in record if BETTER.search(plain_name(field)) and not ABOUT.search(plain_name(field)))
    return [field for field in named if isinstance(record[field], str)]


def rejecting_label(record: Record, used: Collection[str | None]) -> str | None:
    """Return the field that says the answer of a record is a bad one, such as `label: false`; None without.

    A label that says true or false is read.

    Args:
        record: The record.
        used: Fields that options name for other purposes.
    """
    found = None
    for label in LABELS:
        value = record.peek(label)
        word = value.strip().lower() if isinstance(value, str) else value
        said = {"true": True, "false": False}.get(word) if isinstance(word, str) else word
        if label not in used and isinstance(said, bool):
            record.get(label)
            found = found if said else found or label
    return found


def refuse_preferences(record: Record, place: str, used: Collection[str | None]) -> None:
    """Refuse a record that compares answers, with what to do.

    Args:
        record: The record.
        place: Its place, which begins the message.
        used: Fields that options name for other purposes than answers.

    Raises:
        ValueError: It has a worse answer, or a label that says its answer is a bad one.
    """
    if pair := find_pair(record):
        names = " and ".join(repr(field) for field in (pair.better, pair.worse) if field)
        remedy = (
            "set data.conversations.preferences=chosen to learn the better answers alone"
            if pair.decided
            else "write the better answers to a file without the others"
        )
        raise ValueError(f"{place} is a preference pair (it has {names}): {REMEDY}: {remedy}")
    if label := rejecting_label(record, used):
        raise ValueError(
            f"{place} has an answer that is marked as a bad one (field {label!r} is false): {REMEDY}: set "
            "data.conversations.preferences=chosen to leave such records out"
        )


def better_half(record: Record, turns_field: str | None) -> Record:
    """Return a preference pair without its worse answer.

    A better answer in the form of messages joins the list of turns that it continues.

    Args:
        record: The record.
        turns_field: Field in which the layout expects the list of turns; None for layouts without one.
    """
    pair = find_pair(record)
    if pair is None or not pair.decided:
        return record
    rest, better = {field: value for field, value in record.items() if field != pair.worse}, pair.better
    if not better:
        return Record(rest)
    answer = [rest[better]] if isinstance(rest[better], dict) else rest[better]
    if turns_field is None or not isinstance(answer, list):
        return Record(rest)
    nested = rest.get("input")
    before = [rest.get(turns_field), rest.get("prompt"), nested.get("messages") if isinstance(nested, dict) else None]
    turns = next((turns for turns in before if isinstance(turns, list) and turns is not rest[better]), [])
    joined = answer if answer[: len(turns)] == turns else [*turns, *answer]
    dropped = {better, "prompt"} | ({"input"} if isinstance(nested, dict) else set())
    return Record({field: value for field, value in rest.items() if field not in dropped} | {turns_field: joined})


def plain_name(field: str) -> str:
    """Return the usual spelling of a name: rejected_response for rejectedResponse and Rejected-Response."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field).lower().replace("-", "_").replace(" ", "_")


def _is_answer(value: object) -> bool:
    return isinstance(value, str | list | dict) and not is_empty(value)
