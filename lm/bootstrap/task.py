"""A task of Self-Instruct: an instruction with instances, pairs of input and output."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lm.conversation.sources.records import field_of, kind_of, read_records
from lm.sources.file_patterns import find_files


@dataclass(frozen=True)
class Instance:
    """An input of an instruction, "" for none, and the output."""

    input: str
    output: str


@dataclass(frozen=True)
class Task:
    """An instruction with its instances.

    Args:
        instruction: What to do.
        instances: Inputs with their outputs.
        classification: Whether every output is one of few labels. The writer then gives the label before the input,
            since otherwise it writes inputs of one label only (Wang et al. 2023, section 2.2).
    """

    instruction: str
    instances: tuple[Instance, ...] = field(default=())
    classification: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """The record that data/conversations=self_instruct reads."""
        instances = [{"input": instance.input, "output": instance.output} for instance in self.instances]
        return {
            "instruction": self.instruction, "instances": instances, "is_classification": self.classification
        }  # fmt: skip

    @staticmethod
    def of(record: Mapping[str, Any], place: str = "task") -> "Task":
        """Parse a record; raise ValueError with its place if it is not a task."""
        instruction, instances = (field_of(record, name, place) for name in ("instruction", "instances"))
        if not isinstance(instruction, str) or not instruction.strip():
            raise ValueError(f"{place}: its instruction is {kind_of(instruction)} or empty: give a text")
        if not isinstance(instances, list) or not all(isinstance(item, dict) for item in instances) or not instances:
            raise ValueError(f"{place}: field 'instances' must be a list of objects with input and output")
        parsed = []
        for item in instances:
            content, answer = item.get("input") or "", field_of(item, "output", place)
            if not isinstance(content, str) or not isinstance(answer, str) or not answer.strip():
                raise ValueError(f"{place}: input and output of an instance must be texts, the output not empty")
            parsed.append(Instance(content, answer))
        return Task(instruction, tuple(parsed), bool(record.get("is_classification", False)))


def read_tasks(path: str | list[str], *, key: str) -> list[Task]:
    """Read tasks from JSON Lines, in order; `key` is the config key of the path, for error messages."""
    return [Task.of(record, place) for file in find_files(path, key=key) for place, record in read_records(file)]
