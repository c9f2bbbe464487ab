"""Conversations from a question and its answer (Alpaca, Dolly, GSM8K, FLAN, …).

A faulty record ends the reading with its file and line: data that silently lacks answers is worse than none.
"""

import re
from collections.abc import Iterator

from lm.conversation.conversation import Message
from lm.conversation.sources.records import HubDataset, field_of, kind_of
from lm.conversation.sources.source import RecordwiseSource

END_TOKEN = re.compile(r"(<\|[a-z_]{1,20}\|>|</s>|<eos>)\Z")  # as tokenizers spell the end of a text or turn


class QuestionAnswers(RecordwiseSource):
    """Records with a question and its answer: `{"instruction": …, "input": …, "output": …}`.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        question_field: Field with the question.
        input_field: Field with more of the question, appended after `between` where not empty; null for none.
        answer_field: Field with the answer.
        system_field: Field with a system text, where not empty; null for none.
        instances_field: Field with a list of objects that hold input and answer, as in Self-Instruct: each becomes
            a conversation; null if the record holds them itself.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        group_field: Field whose equal values are held out together; null holds out each conversation separately.
        rationale_field: Field with a chain of thought, written on lines before the answer; null for none.
        between: Text between question and input; the default is an empty line.
        escaped: Whether line breaks are written as \\n, as in tables with one record a line.
        columns: Names of the columns of CSV and TSV files without a header; null reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV; false takes them as text.
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
        hub: HubDataset | None = None,
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
        if not isinstance(instances, list) or not all(isinstance(instance, dict) for instance in instances):
            raise ValueError(f"{place}: field {self.instances_field!r} is not a list of objects")
        for instance in instances:
            yield self._turns(record | instance, place)

    def _turns(self, record: dict, place: str) -> list[Message]:
        question = field_of(record, self.question_field, place)
        answer = field_of(record, self.answer_field, place)
        if isinstance(answer, str):
            answer = self._without_end(answer)
        extra = record.get(self.input_field) if self.input_field is not None else None
        if extra and isinstance(question, str) and isinstance(extra, str):
            question = f"{question}{self.between}{extra}"
        elif extra:
            raise ValueError(f"{place}: field {self.input_field!r} is {kind_of(extra)}, not text")
        rationale = field_of(record, self.rationale_field, place) if self.rationale_field is not None else None
        if isinstance(rationale, str) and rationale.strip() and isinstance(answer, str) and answer.strip():
            answer = f"{rationale}\n{answer}"
        if self.escaped:
            question, answer = _unescaped(question), _unescaped(answer)
        turns = [Message("user", question), Message("assistant", answer)]
        if self.system_field is not None and record.get(self.system_field):
            turns.insert(0, Message("system", record[self.system_field]))
        return turns

    def _without_end(self, answer: str) -> str:
        """Remove `answer_end`; without one, count answers that end as if they had a special token."""
        if self.answer_end is not None:
            return answer.removesuffix(self.answer_end)
        if token := END_TOKEN.search(answer):
            note = f"answers end with {token[0]}, trained on as text (data/conversations=completions removes it, "
            self.counts[f"{note}with data.conversations.answer_end)"] += 1
        return answer


def _unescaped(text: object) -> object:
    return text.replace("\\n", "\n") if isinstance(text, str) else text
