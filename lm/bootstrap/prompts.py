"""The prompts of Self-Instruct (Wang et al. 2023, arXiv:2212.10560), and how their continuations are parsed.

All prompts are texts to continue, with examples, so that a pretrained model without tuning can follow them.
"""

import re
from collections.abc import Sequence

from lm.bootstrap.task import Instance, Task

NUMBERED = re.compile(r"^\s*(\d+)[.)]\s*", re.MULTILINE)
NOTHING = "(none)"  # the input of an instruction without one
NEXT = "\n\nTask:"  # the end of an example


def more_tasks(tasks: Sequence[Task], *, count: int) -> str:
    """Return a prompt that lists tasks by number and is to be continued by `count` more."""
    listed = "".join(f"{number}. {one_line(task.instruction)}\n" for number, task in enumerate(tasks, start=1))
    last = len(tasks) + count
    return f"{last} tasks for an assistant, no two of a kind, each in a line:\n\n{listed}{len(tasks) + 1}."


def read_tasks(continuation: str, *, first: int) -> list[str]:
    """Parse the instructions of a continuation of `more_tasks`, up to the first that is not numbered in order."""
    instructions, expected = [], first
    number = NUMBERED.match(continuation)
    repeated = number is not None and int(number[1]) == first  # chat models repeat the first number
    pieces = NUMBERED.split(continuation if repeated else f"{first}. {continuation.lstrip()}")[1:]
    for number, text in zip(pieces[::2], pieces[1::2], strict=True):
        if int(number) != expected:
            break
        instructions.append(one_line(text))
        expected += 1
    return list(filter(None, instructions))


def is_classification(examples: Sequence[Task], instruction: str) -> str:
    """Return a prompt that is to be continued by yes or no."""
    shown = "".join(
        f"Task: {one_line(task.instruction)}\nOne of few labels: {'yes' if task.classification else 'no'}\n\n"
        for task in examples
    )
    question = "Is the answer to each task one of a few fixed labels?"
    return f"{question}\n\n{shown}Task: {one_line(instruction)}\nOne of few labels:"


def instance(examples: Sequence[Task], task: Task) -> str:
    """Return a prompt that is to be continued by an instance: input and output; label and input of a classification."""
    shown = "".join(f"Task: {one_line(example.instruction)}\n{_sides(example)}\n\n" for example in examples)
    request = "For each task, an example of what may be given with it, and the answer."
    first = "Label:" if task.classification else "Input:"
    return f"{request}\n\n{shown}Task: {one_line(task.instruction)}\n{first}"


def read_instance(continuation: str, *, classification: bool) -> Instance | None:
    """Parse the instance of a continuation of `instance`; None if it lacks a side."""
    before, separator, after = continuation.partition("\nInput:" if classification else "\nOutput:")
    first, second = before.strip(), after.strip()
    content, answer = (second, first) if classification else (first, second)
    if not separator or not answer:
        return None
    return Instance("" if content.rstrip(".").casefold() in (NOTHING, "none", "") else content, answer)


def _sides(task: Task) -> str:
    first = task.instances[0]
    content = first.input.strip() or NOTHING
    if task.classification:
        return f"Label: {first.output.strip()}\nInput: {content}"
    return f"Input: {content}\nOutput: {first.output.strip()}"


def one_line(text: str) -> str:
    """Join the lines of a text, with single blanks."""
    return " ".join(text.split())
