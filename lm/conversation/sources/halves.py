"""Records that compare answers, as records of one answer each: the readers of conversations then read them as usual."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lm.conversation.conversation import UnreadableRecordError
from lm.conversation.sources.comparison import Compared, Labelled, TieError, fields_of, judge
from lm.conversation.sources.layouts import ASSISTANT, CONTENTS, HUMAN, LISTS, QUESTIONS, SPEAKERS
from lm.conversation.sources.message_parts import parse_list
from lm.conversation.sources.record import Record, is_empty
from lm.conversation.sources.records import Records, field_of
from lm.conversation.sources.roles import suggested_role

ANSWER = "chosen"  # field of the one answer, where it is text
QUESTION_FIELDS = (*QUESTIONS, "query", "input")


class Judgement(NamedTuple):
    """What a record says besides its conversations, in the order of the records.

    Args:
        place: The record.
        answers: Conversations that it has: two of a pair, one with a label, none if it cannot be read.
        margin: By how much the first is better; None where the record does not say.
        desirable: The label.
        fault: Why it cannot be read.
    """

    place: str
    answers: int
    margin: float | None = None
    desirable: bool = True
    fault: str = ""


class Fields(NamedTuple):
    """Fields that options name, where detection would not find them.

    Args:
        chosen: Field of the better answer.
        rejected: Field of the worse answer.
        prompt: Field of the prompt.
        label: Field of the label.
    """

    chosen: str | None = None
    rejected: str | None = None
    prompt: str | None = None
    label: str | None = None


class Half(Record):
    """One answer of a comparison."""

    judged = True


class OtherHalf(Half):
    """The worse answer. The unread fields of its record are counted in the other half."""

    def unread(self) -> list[str]:
        return []


class Halves(Records):
    """Each answer of the records of `records` as a record of its own.

    `judgements` holds what belongs to the records that were read; the reader of the conversations takes it from there.

    Args:
        records: Records that compare answers.
        fields: Fields that options name.
    """

    def __init__(self, records: Records, fields: Fields):
        self.records, self.fields = records, fields
        self.judgements: deque[Judgement] = deque()
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[tuple[str, dict]]:
        self.judgements.clear()
        self.counts.clear()
        for place, fields in self.records:
            try:
                record = renamed(Record(fields), self.fields, place)
                judged = judge(record, place)
                if judged is None:
                    raise UnreadableRecordError(
                        f"{place} has neither two answers to compare nor a label (its fields: {fields_of(record)})"
                    )
                halves = [*_halves(record, judged)]
            except TieError:
                self.counts["records whose answers are equally good were left out"] += 1
                continue
            except UnreadableRecordError as fault:
                self.judgements.append(Judgement(place, 0, fault=str(fault).removeprefix(place)))
                continue
            margin, desirable = (judged.margin, True) if isinstance(judged, Compared) else (None, judged.desirable)
            self.judgements.append(Judgement(place, len(halves), margin=margin, desirable=desirable))
            for half in halves:
                yield place, half
        self.notes = self.records.notes

    def identity(self) -> list:
        return [*self.records.identity(), *[list(self.fields)] * any(self.fields)]


def renamed(record: Record, fields: Fields, place: str) -> Record:
    """Return the record with the fields that options name under their usual names."""
    names = {fields.chosen: "chosen", fields.rejected: "rejected", fields.prompt: "prompt", fields.label: "label"}
    names.pop(None, None)
    if not names:
        return record
    found = {usual: field_of(record, name, place) for name, usual in names.items()}
    return Record({field: value for field, value in record.items() if field not in names} | found)


def _halves(record: Record, judged: Compared | Labelled) -> Iterator[Record]:
    rest = {field: value for field, value in record.items() if field not in judged.used}
    if isinstance(judged, Labelled):
        yield Half(rest)
        return
    for kind, answer, other in ((Half, judged.better, judged.worse), (OtherHalf, judged.worse, judged.better)):
        yield kind(with_answer(rest, answer, other))


def with_answer(rest: Mapping[str, Any], answer: object, other: object) -> dict[str, Any]:
    """Return a record with a prompt and one answer, in a layout of instruction data.

    Args:
        rest: The record without its answers.
        answer: Text, a message, or a list of messages: the answer alone, or the whole conversation.
        other: The other answer, which some files repeat beside both.
    """
    answer, other = (parse_list(each) or each for each in (answer, other))
    field, context = _context(rest, answer, other)
    answer = [answer] if isinstance(answer, dict) else answer
    if isinstance(answer, list):
        return _as_turns(rest, field, context, answer)
    if isinstance(answer, str) and context and isinstance(context[0], str):
        return {**rest, field: [*context, answer]}
    if isinstance(answer, str) and context:
        return _as_turns(rest, field, context, [_turn_like(context[0], answer)])
    return _as_text(rest, answer)


def _as_text(rest: Mapping[str, Any], answer: object) -> dict[str, Any]:
    """A text after a question, or one that holds its whole conversation."""
    if isinstance(answer, str):
        asked = next((field for field in QUESTION_FIELDS if isinstance(rest.get(field), str)), None)
        if whole := _transcript(answer):
            return {name: value for name, value in rest.items() if name != asked} | {ANSWER: whole}
        if asked is not None and (before := _transcript(rest[asked])):
            ended = before.rstrip() if before.rstrip().endswith(ASSISTANT.strip()) else before + ASSISTANT
            return {name: value for name, value in rest.items() if name != asked} | {ANSWER: f"{ended} {answer}"}
    return {ANSWER: answer, **rest}


def _transcript(text: str) -> str | None:
    """A text that begins with a name of a speaker, with the empty line before it; None for any other."""
    stripped = text.lstrip()
    return f"\n\n{stripped}" if stripped.startswith((HUMAN.strip(), ASSISTANT.strip())) else None


def _context(rest: Mapping[str, Any], answer: object, other: object) -> tuple[str, list]:
    """The turns before the answer and their field; none, under a usual name, where they are not a list."""
    nested = rest.get("input")
    places = [(field, rest.get(field)) for field in (*LISTS, *QUESTION_FIELDS)]
    places += [("messages", nested.get("messages"))] if isinstance(nested, dict) else []
    for field, value in places:
        turns = parse_list(value)
        if turns and turns not in (answer, other):
            return field, turns
    return "", []


def _as_turns(rest: Mapping[str, Any], field: str, context: list, answer: list) -> dict[str, Any]:
    """The turns of the context and of the answer, unless these are the whole conversation."""
    first = answer[0] if answer and isinstance(answer[0], dict) else {}
    role = suggested_role(str(next((first[name] for name in SPEAKERS if name in first), "")))
    whole = role in ("user", "system") and answer[: len(context)] == context
    whole = whole or (role in ("user", "system") and not (context and _role_of(context[-1]) == "assistant"))
    kept = {name: value for name, value in rest.items() if name not in (*LISTS, *QUESTION_FIELDS)}
    if not whole and not context:
        asked = next((rest[name] for name in QUESTION_FIELDS if not is_empty(rest.get(name))), None)
        context = [] if asked is None else [_turn_like(first, asked, role="user")]
    like = context[0] if context and isinstance(context[0], dict) else first
    joined = answer if whole else [*context, *(_restyled(turn, like) for turn in answer)]
    usual = "conversations" if "from" in like else "messages"
    return kept | {field if field in LISTS else usual: joined}


def _role_of(turn: object) -> str | None:
    speaker = next((turn[name] for name in SPEAKERS if name in turn), None) if isinstance(turn, dict) else None
    return suggested_role(speaker) if isinstance(speaker, str) else None


def _turn_like(like: Mapping[str, Any], text: object, *, role: str = "assistant") -> dict[str, Any]:
    """A turn with the names of fields and speakers of another one."""
    speaker = next((name for name in SPEAKERS if name in like), "role")
    content = next((name for name in CONTENTS if name in like), "content")
    names = {"user": "human", "assistant": "gpt"} if speaker == "from" else {}
    return {speaker: names.get(role, role), content: text}


def _restyled(turn: object, like: Mapping[str, Any]) -> object:
    """A turn of an answer with the names of fields and speakers that its context has."""
    if not isinstance(turn, dict) or turn.keys() >= {name for name in like if name in (*SPEAKERS, *CONTENTS)}:
        return turn
    role = _role_of(turn)
    content = next((name for name in CONTENTS if name in turn), None)
    if role is None or content is None:
        return turn
    rest = {name: value for name, value in turn.items() if name not in (*SPEAKERS, content)}
    return rest | _turn_like(like, turn[content], role=role)
