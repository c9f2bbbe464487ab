"""Conversations from JSON and JSON Lines, in the layouts that people share them in.

Whatever is wrong with a record ends the reading with its file and line: data that silently lacks answers is
worse than none.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator

from lm.conversation import ROLES, Conversation, Message
from lm.corpus.members import find_files
from lm.data.conversation_source import ConversationSource
from lm.data.records import field_of, kind_of, read_records
from lm.files import hash_file, hash_json


class ConversationFiles(ConversationSource):
    """Files of records, each of which becomes one conversation or several.

    `path` is a file or a pattern, or several; .gz, .zst, .tar and .zip are unpacked. `task_field` names a
    field that tells validation what kind of question it is. Halves of characters (lone surrogates, which JSON
    can spell) become � and are counted in the notes.
    """

    def __init__(self, path: str | list[str], *, task_field: str | None):
        self.files = find_files(path, key="data.conversations.path")
        self.task_field = task_field
        self._counts: Counter[str] = Counter()

    @abstractmethod
    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        """The turns of each conversation in a record."""

    @abstractmethod
    def options(self) -> dict:
        """What besides the files decides on the conversations."""

    def fingerprint(self) -> str:
        files = [[file.name, hash_file(file)] for file in self.files]
        return hash_json([type(self).__name__, self.options(), self.task_field, files])

    def __iter__(self) -> Iterator[Conversation]:
        self._counts.clear()
        for file in self.files:
            for place, record in read_records(file):
                task = "" if self.task_field is None else str(field_of(record, self.task_field, place))
                for turns in self.conversations(record, place):
                    yield Conversation(tuple(self._whole(turn) for turn in turns), task=task, place=place)
        self.notes = tuple(f"{count} {what}" for what, count in self._counts.items())

    def _whole(self, message: Message) -> Message:
        if not isinstance(message.content, str):
            return message  # refused by the template, with its place
        text = message.content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if text == message.content:
            return message
        self._counts["turns had halves of characters (lone surrogates), which became �"] += 1
        return Message(message.role, text)


class MessageFiles(ConversationFiles):
    """Lists of turns: `{"messages": [{"role": …, "content": …}, …]}`, or as ShareGPT names these fields.

    `roles` says what a file calls the roles, where it does not call them system, user and assistant: `{human:
    user}`. Content given in parts is joined if all of them are text.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        messages_field: str = "messages",
        role_field: str = "role",
        content_field: str = "content",
        system_field: str | None = None,
        roles: dict[str, str] | None = None,
        task_field: str | None = None,
    ):
        super().__init__(path, task_field=task_field)
        self.messages_field, self.role_field, self.content_field = messages_field, role_field, content_field
        self.system_field = system_field
        self.roles = {role: role for role in ROLES} | (roles or {})
        if strange := sorted(set(self.roles.values()) - set(ROLES)):
            raise ValueError(f"data.conversations.roles: {strange[0]!r} is none of {', '.join(ROLES)}")

    def options(self) -> dict:
        fields = [self.messages_field, self.role_field, self.content_field, self.system_field]
        return {"fields": fields, "roles": self.roles}

    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        turns = field_of(record, self.messages_field, place)
        if not isinstance(turns, list):
            raise ValueError(f"{place}: field {self.messages_field!r} is {kind_of(turns)}, not a list of turns")
        messages = []
        if self.system_field is not None and record.get(self.system_field):
            messages.append(Message("system", record[self.system_field]))
        for number, turn in enumerate(turns, start=1):
            messages.append(self._message(turn, f"{place}, turn {number}"))
        yield messages

    def _message(self, turn: object, where: str) -> Message:
        if not isinstance(turn, dict):
            raise ValueError(f"{where} is {kind_of(turn)}, not an object with a role and a content")
        role = field_of(turn, self.role_field, where)
        if not isinstance(role, str) or role not in self.roles:
            raise ValueError(
                f"{where}: role {role!r} is not known: say who speaks, as "
                f"+data.conversations.roles.{role}=user, or leave the conversation out"
            )
        content = field_of(turn, self.content_field, where)
        if isinstance(content, list):
            content = "".join(_part(part, where) for part in content)
        for key in ("weight", "loss_weight"):
            if self.roles[role] == "assistant" and turn.get(key) not in (None, 1):
                raise ValueError(
                    f"{where}: {key} {turn[key]!r} asks that this answer count less, but every answer counts "
                    "the same: leave out the conversation from here on, or the field"
                )
        return Message(self.roles[role], content)


class QuestionFiles(ConversationFiles):
    """A question and its answer a record, as Alpaca has them: `{"instruction": …, "input": …, "output": …}`.

    What `input_field` holds, if anything, follows the question after an empty line. `instances_field` names a
    list of objects in the record that hold input and answer, as Self-Instruct has it: each becomes a
    conversation.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        question_field: str = "instruction",
        input_field: str | None = "input",
        answer_field: str = "output",
        system_field: str | None = None,
        instances_field: str | None = None,
        task_field: str | None = None,
    ):
        super().__init__(path, task_field=task_field)
        self.question_field, self.input_field, self.answer_field = question_field, input_field, answer_field
        self.system_field, self.instances_field = system_field, instances_field

    def options(self) -> dict:
        fields = [self.question_field, self.input_field, self.answer_field, self.system_field]
        return {"fields": fields, "instances": self.instances_field}

    def conversations(self, record: dict, place: str) -> Iterator[list[Message]]:
        if self.instances_field is None:
            yield self._turns(record, place)
            return
        instances = field_of(record, self.instances_field, place)
        if not isinstance(instances, list) or not all(isinstance(one, dict) for one in instances):
            raise ValueError(f"{place}: field {self.instances_field!r} is not a list of objects")
        for instance in instances:
            yield self._turns(record | instance, place)

    def _turns(self, record: dict, place: str) -> list[Message]:
        question = field_of(record, self.question_field, place)
        answer = field_of(record, self.answer_field, place)
        given = record.get(self.input_field) if self.input_field is not None else None
        if given and isinstance(question, str) and isinstance(given, str):
            question = f"{question}\n\n{given}"
        elif given:
            raise ValueError(f"{place}: field {self.input_field!r} is {kind_of(given)}, not text")
        turns = [Message("user", question), Message("assistant", answer)]
        if self.system_field is not None and record.get(self.system_field):
            turns.insert(0, Message("system", record[self.system_field]))
        return turns


def _part(part: object, where: str) -> str:
    """The text of one of the parts of a turn's content."""
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type") == "text":
        text = part.get("text", part.get("value"))
        if isinstance(text, str):
            return text
    kind = part.get("type") if isinstance(part, dict) else kind_of(part)
    raise ValueError(f"{where}: a part of its content is {kind!r}, and only text can be read: leave it out")
