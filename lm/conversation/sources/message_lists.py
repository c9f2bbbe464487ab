"""Conversations as lists of messages (OpenAI, ShareGPT) or of plain texts (LIMA).

A record that cannot be read becomes a conversation with a fault, which is counted or refused by its place.
"""

from collections.abc import Iterator, Sequence

from lm.conversation.conversation import Message, UnreadableRecordError
from lm.conversation.sources.message_parts import join_parts, tool_calls, turns_of, with_system
from lm.conversation.sources.preferences import Preferences
from lm.conversation.sources.reasoning import Reasoning, apply_reasoning, thoughts_of
from lm.conversation.sources.record import Record
from lm.conversation.sources.records import HubDataset, field_of, kind_of, optional_field
from lm.conversation.sources.roles import known_roles, role_fault
from lm.conversation.sources.source import RecordwiseSource
from lm.conversation.sources.training_flags import asks_to_be_learned, is_learned
from lm.conversation.tool_calls import parsed_calls

CALLERS = ("function_call", "tool_call", "tool_calls")  # roles of ShareGPT and its like whose turns are calls alone


class MessageLists(RecordwiseSource):
    """Records with a list of messages: `{"messages": [{"role": …, "content": …}, …]}`.

    Content given in parts is joined if all parts are text, reasoning or tool calls. The tool calls of a turn follow
    its text, each as a line of JSON with name and arguments. Answers marked with `train`, `training`, `trainable` or
    `loss` false, or with `weight` or `loss_weight` 0, are context and not learned.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        messages_field: Field that holds the list of messages, or the list as JSON.
        role_field: Field of a message that names the speaker.
        content_field: Field of a message that holds what is said.
        system_field: Field of the record with a system text, where not empty; null for none.
        tools_field: Field of the record with the tools that the assistant may call, where not empty; null for none.
            A template that takes tools writes them; for any other they end the system turn.
        roles: What the file calls the roles, {human: user}; system, user, assistant and tool are known.
        reasoning: Thoughts in parts of type reasoning or thinking, or in a field `reasoning_content`, `reasoning` or
            `thinking`: refuse the record, drop them, keep them before the answer, followed by an empty line, or hand
            them separate to a chat_template, which writes them.
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
        messages_field: str = "messages",
        role_field: str = "role",
        content_field: str = "content",
        system_field: str | None = "system",
        tools_field: str | None = "tools",
        roles: dict[str, str] | None = None,
        reasoning: Reasoning = "refuse",
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
        super().__init__(
            path,
            task_field=task_field,
            group_field=group_field,
            tools_field=tools_field,
            preferences=preferences,
            columns=columns,
            quoted=quoted,
            delimiter=delimiter,
            encoding=encoding,
            records_field=records_field,
            hub=hub,
        )
        self.messages_field, self.role_field, self.content_field = messages_field, role_field, content_field
        self.system_field, self.reasoning = system_field, reasoning
        self.roles = known_roles(roles)

    @property
    def turns_field(self) -> str:
        return self.messages_field

    def options(self) -> dict:
        fields = [self.messages_field, self.role_field, self.content_field, self.system_field]
        return {"fields": fields, "roles": self.roles} | (
            {"reasoning": self.reasoning} if self.reasoning != "refuse" else {}
        )

    def conversations(self, record: Record, place: str) -> Iterator[list[Message]]:
        turns = turns_of(record, self.messages_field, place, "turns")
        names = [turn.get(self.role_field) for turn in turns if isinstance(turn, dict)]
        messages = [self._message(turn, f"{place}, turn {n}", names) for n, turn in enumerate(turns, start=1)]
        yield with_system(optional_field(record, self.system_field), messages)

    def _message(self, turn: object, where: str, names: Sequence[object]) -> Message:
        if not isinstance(turn, dict):
            raise UnreadableRecordError(f"{where} is {kind_of(turn)}, not an object with a role and a content")
        turn = Record(turn)
        name = field_of(turn, self.role_field, where)
        if not isinstance(name, str) or name not in self.roles:
            raise ValueError(f"{where}: {role_fault(name, names, self.roles)}")
        role = self.roles[name]
        calls = tool_calls(turn, where)
        thoughts = thoughts_of(turn) if role == "assistant" else ""
        content = turn.get(self.content_field) if calls or thoughts else field_of(turn, self.content_field, where)
        if isinstance(content, list):
            parted, content, more = join_parts(content, where)
            thoughts, calls = "\n\n".join(filter(None, [thoughts, parted])), [*more, *calls]
        if calls and (content is None or isinstance(content, str)):
            content = "\n".join([*filter(None, [content]), *calls])
        content = apply_reasoning(self.reasoning, thoughts, content, where=where, counts=self.counts)
        learned = is_learned(turn, where) if role == "assistant" else self._is_context(turn)
        turn.get("tool_call_id")  # ids of calls are left out on purpose
        self.unread.add(turn, "turns")
        separate = thoughts if self.reasoning == "separate" else ""
        if name in CALLERS and not calls and isinstance(content, str) and parsed_calls(content):
            calls = [content]
        said = tuple(calls) if role == "assistant" and isinstance(content, str) else ()
        return Message(role, content, supervised=learned is not False, reasoning=separate, calls=said)

    def _is_context(self, turn: Record) -> None:
        """Count a mark that asks to learn what somebody else than the assistant says."""
        if asks_to_be_learned(turn):
            self.counts["turns are marked to be learned and are not the assistant's: they are context only"] += 1


class AlternatingTexts(RecordwiseSource):
    """Records with a list of texts, user and assistant in turn: `{"conversations": ["hi", "hello", …]}`.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        turns_field: Field that holds the list, or the list as JSON; its first text is the user's.
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
        turns_field: str = "conversations",
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
        super().__init__(
            path,
            task_field=task_field,
            group_field=group_field,
            preferences=preferences,
            columns=columns,
            quoted=quoted,
            delimiter=delimiter,
            encoding=encoding,
            records_field=records_field,
            hub=hub,
        )
        self.turns_field = turns_field

    def options(self) -> dict:
        return {"field": self.turns_field}

    def conversations(self, record: Record, place: str) -> Iterator[list[Message]]:
        texts = turns_of(record, self.turns_field, place, "texts")
        yield [Message(("user", "assistant")[number % 2], text) for number, text in enumerate(texts)]
