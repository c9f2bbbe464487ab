"""Conversations from a question and its answer (Alpaca, Dolly, GSM8K, FLAN, …).

A record that cannot be read becomes a conversation with a fault, which is counted or refused by its place.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from lm.conversation.conversation import Message, UnreadableRecordError
from lm.conversation.sources.history import read_history
from lm.conversation.sources.message_parts import turns_of, with_system
from lm.conversation.sources.preferences import Preferences
from lm.conversation.sources.reasoning import Reasoning, apply_reasoning, thoughts_of
from lm.conversation.sources.record import Instance, Record, is_empty
from lm.conversation.sources.records import HubDataset, field_of, kind_of, optional_field
from lm.conversation.sources.source import RecordwiseSource

END_TOKEN = re.compile(r"(<\|[a-z_]{1,20}\|>|</s>|<eos>)\Z")  # as tokenizers spell the end of a text or turn


class QuestionAnswers(RecordwiseSource):
    """Records with a question and its answer: `{"instruction": …, "input": …, "output": …}`.

    Both may be lists of messages; then only what is in the answer is learned.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        question_field: Field with the question.
        input_field: Field with more of the question, appended after `between` where not empty; null for none.
        answer_field: Field with the answer; null for prompts without one, which a policy answers.
        system_field: Field with a system text, where not empty; null for none.
        history_field: Field with earlier turns, where not empty: a list of [question, answer] pairs, of messages, or
            either as JSON; null for none.
        tools_field: Field with the tools that the assistant may call, where not empty; null for none.
        reasoning: Thoughts in a field `reasoning_content`, `reasoning` or `thinking`: refuse the record, drop them,
            keep them before the answer, followed by an empty line, or hand them separate to a chat_template.
        instances_field: Field with a list of objects that hold input and answer, as in Self-Instruct: each becomes
            a conversation; null if the record holds them itself.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        group_field: Field whose equal values are held out together; null holds out each conversation separately.
        rationale_field: Field with a chain of thought, written on lines before the answer; null for none.
        between: Text between question and input; the default is an empty line.
        escaped: Whether line breaks are written as \\n, as in tables with one record a line.
        preferences: Records that compare a better answer with a worse one: refuse them, or read the chosen answers.
        columns: Names of the columns of CSV and TSV files without a header; null reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV; false takes them as text.
        delimiter: Character between cells of CSV and TSV; null finds it.
        encoding: Encoding of the files, as windows-1252; detect guesses it.
        records_field: Field with the list of records, as data, in a JSON file of one object; null for other files.
        answer_end: Text removed from the end of answers, as '<|endoftext|>' written there by another tokenizer;
            left there it is trained on as letters. null removes nothing.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        question_field: str = "instruction",
        input_field: str | None = "input",
        answer_field: str | None = "output",
        system_field: str | None = "system",
        history_field: str | None = "history",
        tools_field: str | None = "tools",
        reasoning: Reasoning = "refuse",
        instances_field: str | None = None,
        task_field: str | None = None,
        group_field: str | None = None,
        rationale_field: str | None = None,
        between: str = "\n\n",
        escaped: bool = False,
        preferences: Preferences = "refuse",
        columns: list[str] | None = None,
        quoted: bool = True,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        records_field: str | None = None,
        answer_end: str | None = None,
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
        self.answer_end = answer_end
        self.rationale_field, self.between, self.escaped = rationale_field, between, escaped
        self.question_field, self.input_field, self.answer_field = question_field, input_field, answer_field
        self.system_field, self.history_field, self.instances_field = system_field, history_field, instances_field
        self.reasoning = reasoning

    def options(self) -> dict:
        fields = [self.question_field, self.input_field, self.answer_field, self.system_field]
        said = [self.rationale_field, self.between, self.escaped, *filter(None, [self.answer_end])]
        more = {"history": self.history_field} if self.history_field else {}
        more |= {"reasoning": self.reasoning} if self.reasoning != "refuse" else {}
        return {"fields": fields, "instances": self.instances_field, "said": said} | more

    def conversations(self, record: Record, place: str) -> Iterator[list[Message]]:
        if self.instances_field is None:
            yield self._turns(record, place)
            return
        instances = turns_of(record, self.instances_field, place, "objects")
        if not all(isinstance(instance, dict) for instance in instances):
            raise UnreadableRecordError(f"{place}: field {self.instances_field!r} is not a list of objects")
        for fields in instances:
            instance = Instance(record, fields)
            yield self._turns(instance, place)
            self.unread.add(instance.own, "instances")

    def _turns(self, record: Record, place: str) -> list[Message]:
        question = field_of(record, self.question_field, place)
        if self.answer_field is None:
            return self._question(record, question, place)
        answer = field_of(record, self.answer_field, place)
        if isinstance(question, list) and isinstance(answer, list):
            return self._messages(record, question, answer, place)
        if isinstance(answer, str):
            answer = self._without_end(answer)
        question = self._with_input(record, question, place)
        separate = ""
        rationale = field_of(record, self.rationale_field, place) if self.rationale_field is not None else None
        if isinstance(answer, str) and answer.strip():
            if isinstance(rationale, str) and rationale.strip():
                answer = f"{rationale}\n{answer}"
            named = (self.question_field, self.input_field, self.answer_field, self.rationale_field)
            thoughts = thoughts_of(record, named)
            separate = thoughts if self.reasoning == "separate" else ""
            answer = apply_reasoning(self.reasoning, thoughts, answer, where=place, counts=self.counts)
        if self.escaped:
            question, answer = _unescaped(question), _unescaped(answer)
        before = read_history(optional_field(record, self.history_field), f"{place}: field {self.history_field!r}")
        turns = [*before, Message("user", question), Message("assistant", answer, reasoning=separate)]
        return with_system(optional_field(record, self.system_field), turns)

    def _with_input(self, record: Record, question: object, place: str) -> object:
        extra = optional_field(record, self.input_field)
        if is_empty(extra):
            return question
        if not isinstance(extra, str):
            raise UnreadableRecordError(f"{place}: field {self.input_field!r} is {kind_of(extra)}, not text")
        return f"{question}{self.between}{extra}" if isinstance(question, str) and question.strip() else extra

    def _question(self, record: Record, question: object, place: str) -> list[Message]:
        """The turns of a prompt without an answer, as text or as a list of messages."""
        if isinstance(question, list):
            turns = read_history(question, f"{place}: field {self.question_field!r}")
        else:
            question = self._with_input(record, question, place)
            question = _unescaped(question) if self.escaped else question
            before = read_history(optional_field(record, self.history_field), f"{place}: field {self.history_field!r}")
            turns = [*before, Message("user", question)]
        return with_system(optional_field(record, self.system_field), turns)

    def _messages(self, record: Record, question: list, answer: list, place: str) -> list[Message]:
        """The turns of a question and an answer that are lists of messages; what the question holds is context."""
        before = read_history(question, f"{place}: field {self.question_field!r}")
        after = read_history(answer, f"{place}: field {self.answer_field!r}")
        turns = [*(replace(turn, supervised=turn.role != "assistant") for turn in before), *after]
        return with_system(optional_field(record, self.system_field), turns)

    def _without_end(self, answer: str) -> str:
        """Remove `answer_end`; without one, count answers that end as if they had a special token."""
        if self.answer_end is not None:
            return answer.removesuffix(self.answer_end)
        if token := END_TOKEN.search(answer):
            option = f"\"data.conversations.answer_end='{token[0]}'\""
            self.counts[f"answers end with {token[0]}, trained on as text ({option} removes it)"] += 1
        return answer


def _unescaped(text: object) -> object:
    return text.replace("\\n", "\n") if isinstance(text, str) else text
