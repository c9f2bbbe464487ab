"""What a record compares: two answers of which one is better, answers with scores, or one answer with a label."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from lm.conversation.conversation import UnreadableRecordError
from lm.conversation.sources.message_parts import parse_list
from lm.conversation.sources.preferences import LABELS, VERDICT, compared_fields, plain_name
from lm.conversation.sources.record import Record, is_empty
from lm.conversation.sources.records import kind_of

Number = int | float
ANSWER_LISTS = ("completions", "answers", "responses", "candidates", "outputs", "generations", "summaries", "replies")
TEXTS = ("response", "text", "completion", "answer", "content", "output", "summary", "messages")
SCORES = ("score", "overall_score", "pm_score", "rating", "reward", "rank")
LOWER_IS_BETTER = ("rank",)
GOOD = {"true", "1", "yes", "good", "desirable", "chosen", "positive", "up", "thumbs_up", "like", "accept"}
BAD = {
    "false",
    "0",
    "-1",
    "no",
    "bad",
    "undesirable",
    "rejected",
    "negative",
    "down",
    "thumbs_down",
    "dislike",
    "reject",
}
TIES = re.compile(r"(^|_)(tie|tied|both|neither|equal|same|draw|none)(_|$)")
SCORE_PAIRS = [  # of the better and the worse answer
    ("score_chosen", "score_rejected"), ("chosen_score", "rejected_score"), ("chosen_rating", "rejected_rating"),
    ("rating_chosen", "rating_rejected"), ("reward_chosen", "reward_rejected"), ("chosen_reward", "rejected_reward"),
    ("score_j", "score_k"),
]  # fmt: skip


class TieError(Exception):
    """A record in which no answer is better than another."""


class Compared(NamedTuple):
    """Two answers to one prompt.

    Args:
        better: The better answer, as the record writes it.
        worse: The worse one.
        margin: By how much it is better; None where the record does not say.
        used: Fields that are not part of the prompt.
    """

    better: object
    worse: object
    margin: float | None
    used: set[str]


class Labelled(NamedTuple):
    """One answer with a label.

    Args:
        desirable: What the label says.
        used: Fields that are not part of the conversation.
    """

    desirable: bool
    used: set[str]


def judge(record: Record, place: str) -> Compared | Labelled | None:
    """Return what a record compares; None if it has one answer and no label.

    Raises:
        TieError: No answer is better than another.
        UnreadableRecordError: An answer is missing, or nothing says which one is better.
    """
    if (ranked := _ranked(record, place)) is not None:
        return ranked
    if pair := compared_fields(record):
        if not pair.better:
            raise UnreadableRecordError(
                f"{place} has a worse answer ({pair.worse!r}) and no better one: name it as "
                "data.preferences.chosen_field"
            )
        first, second = pair.better, pair.worse
        scores, scored = _scores(record, first, second)
        used = {first, second, *scored}
        if not pair.decided:
            better_is_first, verdict = _verdict(record, first, second, scores, place)
            used |= verdict
            if not better_is_first:
                first, second, scores = second, first, scores and (scores[1], scores[0])
        for side, field in (("chosen", first), ("rejected", second)):
            if is_empty(record[field]):
                raise UnreadableRecordError(
                    f"{place}: the {side} side is empty (field {field!r}): fill it or remove it"
                )
        margin = record.peek("margin")
        if isinstance(margin, Number) and not isinstance(margin, bool):
            return Compared(record[first], record[second], float(margin), used | {"margin"})
        return Compared(record[first], record[second], scores and scores[0] - scores[1], used)
    return _label(record, place)


def _ranked(record: Record, place: str) -> Compared | None:
    """The best and the worst of a list of answers with scores, or with the number of the better one."""
    for field in ANSWER_LISTS:
        answers = parse_list(record.peek(field))
        if not answers or len(answers) < 2 or not all(isinstance(answer, dict) for answer in answers):
            continue
        text = next((name for name in TEXTS if all(name in answer for answer in answers)), None)
        if text is None:
            continue
        score = next((name for name in SCORES if all(_is_number(answer.get(name)) for answer in answers)), None)
        if score is not None:
            sign = -1 if score in LOWER_IS_BETTER else 1
            ordered = sorted(answers, key=lambda answer: sign * float(answer[score]))
            worst, best = ordered[0], ordered[-1]
            margin = sign * (float(best[score]) - float(worst[score]))
            if not margin:
                raise TieError(place)
            return Compared(best[text], worst[text], margin, {field})
        choice = next((name for name in ("choice", "preference", "best", "chosen") if name in record), None)
        if choice is not None and len(answers) == 2 and record[choice] in (0, 1):
            best = int(record[choice])
            return Compared(answers[best][text], answers[1 - best][text], None, {field, choice})
    return None


def _verdict(
    record: Record, first: str, second: str, scores: tuple[float, float] | None, place: str
) -> tuple[bool, set[str]]:
    """Whether the first of two answers is the better one, and the field that says so."""
    names = {plain_name(first): True, plain_name(second): False}
    endings = {name.rpartition("_")[2] or name: is_first for name, is_first in names.items()}
    fields = [field for field in record if field not in (first, second) and VERDICT.search(plain_name(field))]
    for field in sorted(fields, key=lambda field: "safer" in plain_name(field)):
        value = record.peek(field)
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        said = plain_name(str(value).strip())
        if TIES.search(said):
            raise TieError(place)
        for known in (names, endings):
            if said in known:
                return known[said], {field}
        if said.rpartition("_")[2] in endings:
            return endings[said.rpartition("_")[2]], {field}
    if scores is not None:
        if scores[0] == scores[1]:
            raise TieError(place)
        return scores[0] > scores[1], set()
    raise UnreadableRecordError(
        f"{place} compares {first!r} and {second!r}, and no field says which one is better: name the better answer's "
        "field in data.preferences.chosen_field and the other's in data.preferences.rejected_field"
    )


def _scores(record: Record, first: str, second: str) -> tuple[tuple[float, float] | None, set[str]]:
    """The scores of two answers, and their fields."""
    names = {plain_name(field): field for field in record}
    ends = [plain_name(field).rpartition("_")[2] for field in (first, second)]
    stems = [plain_name(field) for field in (first, second)]
    candidates = [*SCORE_PAIRS]
    candidates += [(f"score_{ends[0]}", f"score_{ends[1]}"), (f"{stems[0]}_score", f"{stems[1]}_score")]
    candidates += [(f"score_{stems[0]}", f"score_{stems[1]}")]
    for one, other in candidates:
        if one in names and other in names:
            values = [record.peek(names[one]), record.peek(names[other])]
            if all(map(_is_number, values)):
                return (float(values[0]), float(values[1])), {names[one], names[other]}
    return None, set()


def _label(record: Record, place: str) -> Labelled | None:
    for field in LABELS:
        if field not in record:
            continue
        value = record.peek(field)
        if (desirable := meaning_of(value)) is not None:
            return Labelled(desirable, {field})
        if field in ("label", "kto_tag"):
            shown = kind_of(value) if is_empty(value) else repr(value)
            raise UnreadableRecordError(
                f"{place}: field {field!r} is {shown[:60]}, not a label: write true for a good answer, false for a bad "
                "one"
            )
    return None


def meaning_of(label: object) -> bool | None:
    """Return whether a label says that an answer is desirable; None for what is no label."""
    if isinstance(label, dict | list) or is_empty(label):
        return None
    word = str(label).strip().lower().replace(" ", "_").removesuffix(".0")
    return True if word in GOOD else False if word in BAD else None


def _is_number(value: object) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def fields_of(record: Mapping[str, Any]) -> str:
    """Return the fields of a record, for messages."""
    return ", ".join(repr(name if len(name) <= 40 else f"{name[:40]}…") for name in record) or "none"
