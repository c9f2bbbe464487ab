"""Pairs and labelled answers in whichever common layout the first record has."""

import inspect
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from lm.conversation.conversation import Conversation, Message
from lm.conversation.preference import SIDES, Judged, LabelledAnswer, PreferencePair
from lm.conversation.sources.comparison import fields_of
from lm.conversation.sources.detected_layout import OneLayout, accepted_options, find_first_layout
from lm.conversation.sources.halves import ANSWER, Fields, Halves, Judgement
from lm.conversation.sources.layouts import ASSISTANT, HUMAN, Layout, find_layout
from lm.conversation.sources.preference_source import PreferenceSource
from lm.conversation.sources.question_answers import END_TOKEN
from lm.conversation.sources.reasoning import Reasoning
from lm.conversation.sources.records import FileRecords, HubDataset
from lm.conversation.sources.source import LayoutSource
from lm.conversation.sources.transcripts import Transcripts
from lm.files import hash_json
from lm.sources.fields import lists_in

UNKNOWN = (
    "name its fields as data.preferences.chosen_field=FIELD data.preferences.rejected_field=FIELD, or "
    "data.preferences.label_field=FIELD; conversations without comparisons are for lm instruct"
)


class DetectedPreferences(PreferenceSource):
    """Judged answers in files, in the layout of their first record; the notes report which.

    A record has a better and a worse answer (`chosen` and `rejected`, `response_j` and `response_k`, two numbered ones
    and a verdict, a list with scores) or one answer with a label (`label` or `kto_tag`). Answers are texts after a
    prompt, messages after a list of messages, or whole conversations, as messages or as text (HH-RLHF).

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        chosen_field: Field of the better answer; null finds it.
        rejected_field: Field of the worse answer; null finds it.
        prompt_field: Field of the prompt; null finds it.
        label_field: Field that says whether the answer is a good one: true or false, 1 or 0; null finds it.
        margins: Whether to read by how much the chosen answer is better: its `margin`, or the difference of the scores
            of both (score_chosen, score_rejected). Only objectives with a margin use it.
        user: Text that opens a user turn, where conversations are texts; null for "\\n\\nHuman:".
        assistant: Text that opens an assistant turn there; null for "\\n\\nAssistant:".
        roles: What the file calls the roles, {bot: assistant}, for layouts that name speakers.
        input_field: Field with more of the question, for questions and answers; null takes the usual one.
        system_field: Field of the record with a system text; null takes `system` or `system_prompt`.
        history_field: Field with earlier turns, for questions and answers; null takes `history`.
        tools_field: Field with the tools that the assistant may call; null takes `tools` or `functions`.
        reasoning: Thoughts before answers: refuse the record, drop them, keep them before the answer, or hand them
            separate to a chat_template.
        answer_end: Text removed from the end of answers, as '<|im_end|>': the template writes its own. An answer
            without it was cut off, and its pair is invalid. null removes nothing.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        group_field: Field whose equal values are held out together; null holds out what begins with the same question.
        columns: Names of the columns of CSV and TSV files without a header; null reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV; false takes them as text.
        delimiter: Character between cells of CSV and TSV; null finds it.
        encoding: Encoding of the files, as windows-1252; detect guesses it.
        records_field: Field with the list of records, as data, in a JSON file of one object; null for other files.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        chosen_field: str | None = None,
        rejected_field: str | None = None,
        prompt_field: str | None = None,
        label_field: str | None = None,
        margins: bool = False,
        user: str | None = None,
        assistant: str | None = None,
        roles: dict[str, str] | None = None,
        input_field: str | None = None,
        system_field: str | None = None,
        history_field: str | None = None,
        tools_field: str | None = None,
        reasoning: Reasoning = "refuse",
        answer_end: str | None = None,
        task_field: str | None = None,
        group_field: str | None = None,
        columns: list[str] | None = None,
        quoted: bool = True,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        records_field: str | None = None,
        hub: HubDataset | None = None,
    ):
        self.margins, self.answer_end, self.counts = margins, answer_end, Counter()
        table = {"columns": columns, "quoted": quoted, "delimiter": delimiter, "encoding": encoding}
        table["records_field"] = records_field
        names = Fields(chosen_field, rejected_field, prompt_field, label_field)
        with _own_names():
            records = FileRecords(path, **table) if hub is None else hub.records(path)
            self.halves = Halves(records, names)
            place, self.layout = self._find(str(path), user, assistant)
            given = {
                "roles": roles and self.layout.options.get("roles", {}) | roles,
                "input_field": input_field,
                "system_field": system_field,
                "history_field": history_field,
                "tools_field": tools_field,
                "reasoning": None if reasoning == "refuse" else reasoning,
                "group_field": group_field,
            }
            options = self.layout.options | accepted_options(self.layout, given, place)
            self.source: LayoutSource = self.layout.reader(path, task_field=task_field, **table, hub=hub, **options)
        self.source.unread.parameters = inspect.signature(type(self)).parameters  # notes name options of this class
        self.source.records = OneLayout(self.halves, self.layout, place)

    def __iter__(self) -> Iterator[Judged]:
        self.counts.clear()
        kinds: dict[int, str] = {}  # answers of a record → the first one that has so many
        with _own_names():
            conversations = iter(self.source)
            for first in conversations:
                judgement = yield from self._next()
                kinds.setdefault(judgement.answers, judgement.place)
                if len(kinds) == 2:
                    raise ValueError(
                        f"{kinds[2]} compares two answers and {kinds[1]} labels one: keep one kind per source, and "
                        "train on one"
                    )
                if judgement.answers == 1:
                    yield LabelledAnswer(self._without_end(first)[0], judgement.desirable)
                else:
                    yield self._pair(first, next(conversations), judgement)
            while self.halves.judgements:
                yield _unreadable(self.halves.judgements.popleft())
        notes = [f"{self.layout.note}{', labelled' if 1 in kinds else ', in pairs'}", *self.source.notes]
        for counts in (self.halves.counts, self.counts):
            notes += [f"{count} {what}" for what, count in counts.items()]
        self.notes = tuple(map(_renamed, notes))

    def fingerprint(self) -> str:
        more = [{"answer_end": self.answer_end}] * bool(self.answer_end) + [{"margins": True}] * self.margins
        return hash_json(["preferences", self.source.fingerprint(), *more])

    def _next(self) -> Iterator[Judged]:
        """Yield what could not be read before the next conversation, and return its judgement."""
        while not (judgement := self.halves.judgements.popleft()).answers:
            yield _unreadable(judgement)
        return judgement

    def _pair(self, chosen: Conversation, rejected: Conversation, judgement: Judgement) -> PreferencePair:
        (chosen, one), (rejected, other) = self._without_end(chosen), self._without_end(rejected)
        margin = judgement.margin or 0.0
        if self.margins and judgement.margin is None:
            missing = " has no margin and no scores: set data.preferences.margins=false, or add them"
            return _unreadable(judgement._replace(fault=missing))
        if margin < 0:
            self.counts["pairs have a chosen side of a lower score than the rejected one"] += 1
        cut_off = ""
        if bool(one) != bool(other):
            whole, short = SIDES if one else SIDES[::-1]
            cut_off = f"the {short} side lacks {one or other}, with which the {whole} side ends"
        elif self.answer_end and not one and chosen.messages:
            cut_off = f"neither side ends with data.preferences.answer_end={self.answer_end!r}"
        elif one and not self.answer_end:
            option = f"\"data.preferences.answer_end='{one}'\""
            self.counts[f"pairs have sides that end with {one}, trained on as text ({option} removes it)"] += 1
        return PreferencePair(chosen, rejected, margin if self.margins else 0.0, cut_off)

    def _without_end(self, conversation: Conversation) -> tuple[Conversation, str]:
        """A conversation without the text that ends its answers, and that text; "" where its last answer lacks it."""
        *before, last = conversation.messages or (Message("user", ""),)
        if last.role != "assistant" or not isinstance(last.content, str):
            return conversation, ""
        content = last.content.rstrip()
        if not self.answer_end:
            found = END_TOKEN.search(content)
            return conversation, found[0] if found else ""
        if not content.endswith(self.answer_end):
            return conversation, ""
        last = replace(last, content=content.removesuffix(self.answer_end).rstrip())
        return replace(conversation, messages=(*before, last)), self.answer_end

    def _find(self, path: str, user: str | None, assistant: str | None) -> tuple[str, Layout]:
        """The layout of the first half of a record that has one, and its place."""
        if user is not None or assistant is not None:
            place = next((place for place, _ in self.halves), path)
            named = {"text_field": ANSWER, "user": user or HUMAN, "assistant": assistant or ASSISTANT}
            return place, Layout(Transcripts, named, f"read as transcripts under {ANSWER}")
        try:
            return find_first_layout(self.halves, path, plain=lambda place, record: record)
        except ValueError:
            (place, fields), *others = [*islice(self.halves.records, 2)] or [(path, {})]
            faults = [judgement for judgement in self.halves.judgements if judgement.fault]
        if not others and (lists := lists_in({} if find_layout(fields) else fields)):
            field = max(lists, key=lists.get)
            raise ValueError(
                f"{place} compares nothing, but has a list of {lists[field]} objects: set "
                f"data.preferences.records_field={field} to read it"
            )
        if faults:
            raise ValueError(f"{faults[0].place}{faults[0].fault}; {UNKNOWN}")
        raise ValueError(
            f"{place} has no known prompt before its answers (its fields: {fields_of(fields)}): name it as "
            "data.preferences.prompt_field=FIELD; for answers that are whole conversations as text set "
            "data.preferences.user and data.preferences.assistant to what opens their turns"
        )


def _unreadable(judgement: Judgement) -> Judged:
    """A pair that `check` refuses with its fault."""
    conversation = Conversation((), place=judgement.place, fault=judgement.fault)
    return PreferencePair(conversation, conversation)


def _renamed(text: str) -> str:
    """A message of a reader of conversations, with the names that its options have here."""
    return text.replace("data.conversations.", "data.preferences.").replace("data/conversations", "data/preferences")


@contextmanager
def _own_names() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if (message := _renamed(str(error))) == str(error):
            raise
        raise type(error)(message) from error
