"""What a model is asked, after Self-Instruct (Wang et al. 2023, arXiv:2212.10560), and what its continuations say.

All are texts to continue, with examples, so that a model that was never tuned can follow them too.
"""

import re
from collections.abc import Sequence

from lm.bootstrap.task import Instance, Task

NUMBERED = re.compile(r"^\s*(\d+)[.)]\s*", re.MULTILINE)
NOTHING = "(none)"  # where an instruction stands alone
NEXT = "\n\nTask:"  # where an example ends


def more_tasks(tasks: Sequence[Task], *, wanted: int) -> str:
    """To be continued by instructions that are numbered on from these."""
    listed = "".join(f"{number}. {one_line(task.instruction)}\n" for number, task in enumerate(tasks, start=1))
    last = len(tasks) + wanted
    return f"{last} tasks for an assistant, no two of a kind, each in a line:\n\n{listed}{len(tasks) + 1}."


def read_tasks(continuation: str, *, first: int) -> list[str]:
    """The instructions in what follows `more_tasks`, as far as they are numbered on."""
    found, expected = [], first
    begins = NUMBERED.match(continuation)
    again = begins is not None and int(begins[1]) == first  # as models in a chat say it
    pieces = NUMBERED.split(continuation if again else f"{first}. {continuation.lstrip()}")[1:]
    for number, text in zip(pieces[::2], pieces[1::2], strict=True):
        if int(number) != expected:
            break
        found.append(one_line(text))
        expected += 1
    return [each for each in found if each]


def is_classification(examples: Sequence[Task], instruction: str) -> str:
    """To be continued by yes or no."""
    shown = "".join(
        f"Task: {one_line(task.instruction)}\nOne of few labels: {'yes' if task.classification else 'no'}\n\n"
        for task in examples
    )
    asked = "Is the answer to each task one of a few fixed labels?"
    return f"{asked}\n\n{shown}Task: {one_line(instruction)}\nOne of few labels:"


def instance(examples: Sequence[Task], task: Task) -> str:
    """To be continued by an example of the task: what is given and the answer, of a classification the other way."""
    shown = "".join(f"Task: {one_line(each.instruction)}\n{_sides(each)}\n\n" for each in examples)
    asked = "For each task, an example of what may be given with it, and the answer."
    first = "Label:" if task.classification else "Input:"
    return f"{asked}\n\n{shown}Task: {one_line(task.instruction)}\n{first}"


def read_instance(continuation: str, *, classification: bool) -> Instance | None:
    """The example in what follows `instance`, if it has both sides."""
    before, mark, after = continuation.partition("\nInput:" if classification else "\nOutput:")
    first, second = before.strip(), after.strip()
    given, answer = (second, first) if classification else (first, second)
    if not mark or not answer:
        return None
    return Instance("" if given.rstrip(".").casefold() in (NOTHING, "none", "") else given, answer)


def _sides(task: Task) -> str:
    first = task.instances[0]
    given = first.input.strip() or NOTHING
    if task.classification:
        return f"Label: {first.output.strip()}\nInput: {given}"
    return f"Input: {given}\nOutput: {first.output.strip()}"


def one_line(text: str) -> str:
    """A text without line ends."""
    return " ".join(text.split())
