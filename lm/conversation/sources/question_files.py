"""Conversations from records of a question and its answer, in JSON, JSON Lines and tables.

Whatever is wrong with a record ends the reading with its file and line: data that silently lacks answers is
worse than none.
"""

import re
from collections.abc import Iterator

from lm.conversation.conversation import Message
from lm.conversation.sources.conversation_reader import RecordFiles
from lm.conversation.sources.record_source import Hub
from lm.conversation.sources.records import field_of, kind_of

END_MARK = re.compile(r"(<\|[a-z_]{1,20}\|>|</s>|<eos>)\Z")  # as tokenizers write the end of a text or turn


class QuestionFiles(RecordFiles):
    """A question and its answer a record, as Alpaca has them: `{"instruction": …, "input": …, "output": …}`.

    What `input_field` holds, if anything, follows the question after `between`, an empty line. What `rationale_field`
    holds stands before the answer, a line apart. `answer_end` is taken off the end of answers, as where a data set
    wrote the end-of-text mark of somebody's tokenizer there: left on, it is learned as letters. `instances_field` names
    a list of objects in the record that hold input and answer, as Self-Instruct has it: each becomes a conversation.
    `escaped` says that a line break is written as \\n, as in tables a line a row.
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
        group_field: str | None = None,
        rationale_field: str | None = None,
        between: str = "\n\n",
        escaped: bool = False,
        columns: list[str] | None = None,
        quoted: bool = True,
        answer_end: str | None = None,
        hub: Hub | None = None,
    ):
        super().__init__(path, task_field=task_field, group_field=group_field, columns=columns, quoted=quoted, hub=hub)
        self.answer_end = answer_end
        self.rationale_field, self.between, self.escaped = rationale_field, between, escaped
        self.question_field, self.input_field, self.answer_field = question_field, input_field, answer_field
        self.system_field, self.instances_field = system_field, instances_field

    def options(self) -> dict:
        fields = [self.question_field, self.input_field, self.answer_field, self.system_field]
        said = [self.rationale_field, self.between, self.escaped, *filter(None, [self.answer_end])]
        return {"fields": fields, "instances": self.instances_field, "said": said}

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
        if isinstance(answer, str):
            answer = self._ended(answer)
        given = record.get(self.input_field) if self.input_field is not None else None
        if given and isinstance(question, str) and isinstance(given, str):
            question = f"{question}{self.between}{given}"
        elif given:
            raise ValueError(f"{place}: field {self.input_field!r} is {kind_of(given)}, not text")
        why = field_of(record, self.rationale_field, place) if self.rationale_field is not None else None
        if isinstance(why, str) and why.strip() and isinstance(answer, str) and answer.strip():
            answer = f"{why}\n{answer}"
        if self.escaped:
            question, answer = _unescaped(question), _unescaped(answer)
        turns = [Message("user", question), Message("assistant", answer)]
        if self.system_field is not None and record.get(self.system_field):
            turns.insert(0, Message("system", record[self.system_field]))
        return turns

    def _ended(self, answer: str) -> str:
        """Without what the data set put at its end."""
        if self.answer_end is not None:
            return answer.removesuffix(self.answer_end)
        if mark := END_MARK.search(answer):
            told = f"answers end with {mark[0]}, learned as text (completions with answer_end take it off)"
            self.counts[told] += 1
        return answer


def _unescaped(text: object) -> object:
    return text.replace("\\n", "\n") if isinstance(text, str) else text
