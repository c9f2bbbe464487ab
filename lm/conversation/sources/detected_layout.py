"""Conversations in whichever common layout the first record has."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from lm.conversation.conversation import Conversation
from lm.conversation.sources.layouts import Layout, find_layout
from lm.conversation.sources.preferences import Preferences, better_half, refuse_preferences, rejecting_label
from lm.conversation.sources.reasoning import Reasoning
from lm.conversation.sources.record import Record
from lm.conversation.sources.records import FileRecords, HubDataset, Records
from lm.conversation.sources.source import ConversationSource, LayoutSource
from lm.sources.fields import lists_in

HEAD = 100  # records among which the first one with a layout is searched


class OneLayout(Records):
    """Records of which none may have another layout than the first.

    Args:
        records: The records.
        layout: The layout of the first of them.
        place: Its place.
    """

    def __init__(self, records: Records, layout: Layout, place: str):
        self.records, self.layout, self.place = records, layout, place
        self.needed = layout.needed

    def __iter__(self) -> Iterator[tuple[str, dict]]:
        for place, record in self.records:
            if not self.needed <= record.keys():
                other = find_layout(Record(record))
                if other is not None and other.needed != self.needed:
                    raise ValueError(
                        f"{place} is {other.note}, but {self.place} is {self.layout.note}: keep one layout per source, "
                        "and mix sources, as +data/conversations@data.conversations.NAME=auto"
                    )
            yield place, record
        self.notes = self.records.notes

    def identity(self) -> list:
        return self.records.identity()


class DetectedLayout(ConversationSource):
    """Files in the layout of their first record; the notes report which. A later record of another layout is refused.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        roles: What the file calls the roles, {bot: assistant}, for layouts that name speakers.
        input_field: Field with more of the question, for questions and answers; null takes the usual one.
        rationale_field: Field with a chain of thought, written before the answer, for questions and answers; null for
            none.
        system_field: Field of the record with a system text; null takes `system` or `system_prompt`.
        history_field: Field with earlier turns, for questions and answers; null takes `history`.
        tools_field: Field with the tools that the assistant may call; null takes `tools` or `functions`.
        reasoning: Thoughts before answers: refuse the record, drop them, keep them before the answer, or hand them
            separate to a chat_template.
        answer_end: Text removed from the end of answers, as '<|endoftext|>', for questions and answers; null for none.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        group_field: Field whose equal values are held out together; null holds out each conversation separately.
        preferences: Records that compare a better answer with a worse one: refuse them, or read the chosen answers.
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
        roles: dict[str, str] | None = None,
        input_field: str | None = None,
        rationale_field: str | None = None,
        system_field: str | None = None,
        history_field: str | None = None,
        tools_field: str | None = None,
        reasoning: Reasoning = "refuse",
        answer_end: str | None = None,
        task_field: str | None = None,
        group_field: str | None = None,
        preferences: Preferences = "refuse",
        columns: list[str] | None = None,
        quoted: bool = True,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        records_field: str | None = None,
        hub: HubDataset | None = None,
    ):
        table = {"columns": columns, "quoted": quoted, "delimiter": delimiter, "encoding": encoding}
        table["records_field"] = records_field
        records = FileRecords(path, **table) if hub is None else hub.records(path)
        used = {task_field, group_field}

        def plain(place: str, record: Record) -> Record | None:
            """The record without its worse answer; None for one that is left out."""
            if preferences == "chosen":
                if rejecting_label(record, used):
                    return None
                record = better_half(record, "messages" if "conversations" not in record else "conversations")
            refuse_preferences(record, place, used)
            return record

        place, self.layout = find_first_layout(records, str(path), plain=plain)
        given = {
            "roles": roles and self.layout.options.get("roles", {}) | roles,
            "input_field": input_field,
            "rationale_field": rationale_field,
            "system_field": system_field,
            "history_field": history_field,
            "tools_field": tools_field,
            "reasoning": None if reasoning == "refuse" else reasoning,
            "answer_end": answer_end,
            "group_field": group_field,
        }
        options = self.layout.options | accepted_options(self.layout, given, place)
        self.source: LayoutSource = self.layout.reader(
            path, task_field=task_field, preferences=preferences, **table, hub=hub, **options
        )
        self.source.unread.parameters = inspect.signature(type(self)).parameters  # notes name options of this class
        self.source.records = OneLayout(self.source.records, self.layout, place)

    def __iter__(self) -> Iterator[Conversation]:
        yield from self.source
        self.notes = (self.layout.note, *self.source.notes)

    def fingerprint(self) -> str:
        return self.source.fingerprint()


def accepted_options(layout: Layout, given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the options that are set, all of which the layout must have.

    Args:
        layout: The layout.
        given: Options by name; those without a value are not set.
        place: Where the layout was found.

    Raises:
        ValueError: The layout has no such option.
    """
    chosen = {option: value for option, value in given.items() if value}
    accepted = inspect.signature(layout.reader).parameters
    if refused := [option for option in chosen if option not in accepted]:
        raise ValueError(
            f"data.conversations.{refused[0]}: {place} is {layout.note}, which has no such option: remove it, or "
            "choose another layout, as data/conversations=messages"
        )
    return chosen


def find_first_layout(
    records: Records, path: str, *, plain: Callable[[str, Record], Record | None]
) -> tuple[str, Layout]:
    """Return the layout of the first record that has one, and its place.

    Args:
        records: The records.
        path: What they are called in messages.
        plain: Makes of a place and its record the one that is read; None leaves it out.

    Raises:
        ValueError: None of the first records has a known layout.
    """
    first, alone = None, True
    for place, fields in islice(records, HEAD):
        record, alone = Record(fields), first is None
        first = first or (place, record)
        if (read := plain(place, record)) is not None and (layout := find_layout(read)):
            return place, layout
    if first is None:
        raise ValueError(f"data.conversations.path {path} has no record")
    place, record = first
    if alone and (lists := lists_in(record)):
        field = max(lists, key=lists.get)
        raise ValueError(
            f"{place} has no known layout, but a list of {lists[field]} objects: set "
            f"data.conversations.records_field={field} to read it"
        )
    names = [name if len(name) <= 40 else f"{name[:40]}…" for name in record]
    table = " or, where the file has no header, its columns, as data.conversations.columns=[question,answer]"
    raise ValueError(
        f"{place} has no known layout (its fields: {', '.join(map(repr, names)) or 'none'}): choose "
        "data/conversations=completions or messages and name its fields, as data.conversations.question_field=…"
        f"{table if Path(path).name.lower().endswith(('.csv', '.tsv', '.gz')) else ''}"
    )
