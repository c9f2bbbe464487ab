"""A task as Self-Instruct has it: an instruction, and examples of what may be given with it and what to answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lm.conversation.sources.records import field_of, kind_of, read_records
from lm.sources.members import find_files


@dataclass(frozen=True)
class Instance:
    """What is given with an instruction ("" for nothing), and the answer."""

    input: str
    output: str


@dataclass(frozen=True)
class Task:
    """`classification` says that every answer is one of few labels: those are asked for before their inputs, or a model
    writes inputs of one label only (Wang et al. 2023, section 2.2)."""

    instruction: str
    instances: tuple[Instance, ...] = field(default=())
    classification: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """As data/conversations=self_instruct reads it."""
        instances = [{"input": each.input, "output": each.output} for each in self.instances]
        return {
            "instruction": self.instruction, "instances": instances, "is_classification": self.classification
        }  # fmt: skip

    @staticmethod
    def of(record: Mapping[str, Any], place: str = "task") -> "Task":
        """The task of a record; ValueError with its place where it is none."""
        instruction, instances = (field_of(record, name, place) for name in ("instruction", "instances"))
        if not isinstance(instruction, str) or not instruction.strip():
            raise ValueError(f"{place}: its instruction is {kind_of(instruction)} or empty: write it out")
        if not isinstance(instances, list) or not all(isinstance(each, dict) for each in instances) or not instances:
            raise ValueError(f"{place}: field 'instances' is no list of objects with input and output")
        made = []
        for each in instances:
            given, answer = each.get("input") or "", field_of(each, "output", place)
            if not isinstance(given, str) or not isinstance(answer, str) or not answer.strip():
                raise ValueError(f"{place}: an instance has no text as output, or an input that is none")
            made.append(Instance(given, answer))
        return Task(instruction, tuple(made), bool(record.get("is_classification", False)))


def read_tasks(path: str | list[str], *, key: str) -> list[Task]:
    """The tasks of JSON Lines, in order; `key` is where the config has the path."""
    return [Task.of(record, place) for file in find_files(path, key=key) for place, record in read_records(file)]
