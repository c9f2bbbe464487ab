"""Continuations are parsed in the form that the prompt asks for; the rest is ignored."""

import pytest

from lm.bootstrap import Instance, Task, prompts

CAPITAL = Task("Name the\ncapital.", (Instance("France", "Paris"),))
MOOD = Task("Is it glad?", (Instance("I sing.", "yes"),), classification=True)
ALONE = Task("Tell a joke.", (Instance("", "A horse walks in."),))


def test_tasks_are_parsed_as_far_as_they_are_numbered_in_order():
    prompt = prompts.more_tasks([CAPITAL, MOOD], count=3)
    assert prompt.endswith("1. Name the capital.\n2. Is it glad?\n3.")
    assert prompts.read_tasks(" Sum it up.\n4. Sort\n  these.\n5) Done\n7. Lost", first=3) == [
        "Sum it up.", "Sort these.", "Done",
    ]  # fmt: skip
    assert prompts.read_tasks("", first=3) == []
    assert prompts.read_tasks("3. Said again\n4. Two", first=3) == ["Said again", "Two"]
    assert prompts.read_tasks("2 of a kind\n4. Two", first=3) == ["2 of a kind", "Two"]
    assert prompts.read_tasks("One with 3. in it\n4. Two", first=3) == ["One with 3. in it", "Two"]


def test_prompts_of_classifications_put_the_label_first():
    prompt = prompts.instance([MOOD], Task("Is it long?", classification=True))
    assert prompt.endswith("Task: Is it glad?\nLabel: yes\nInput: I sing.\n\nTask: Is it long?\nLabel:")
    assert prompts.read_instance(" no\nInput: Short.", classification=True) == Instance("Short.", "no")
    prompt = prompts.instance([CAPITAL, ALONE], Task("Sum it."))
    assert "Input: France\nOutput: Paris\n\nTask: Tell a joke.\nInput: (none)\nOutput: A horse" in prompt
    assert prompt.endswith("Task: Sum it.\nInput:")


@pytest.mark.parametrize(
    ("continuation", "expected"),
    [
        (" 1 and 2\nOutput: 3", Instance("1 and 2", "3")),
        (" (none)\nOutput: Ha.\nHa.", Instance("", "Ha.\nHa.")),
        ("None.\nOutput: x", Instance("", "x")),
        ("a\nb\nOutput: c", Instance("a\nb", "c")),
        ("1 and 2", None),
        ("1 and 2\nOutput: ", None),
    ],
)
def test_an_instance_needs_both_sides(continuation, expected):
    assert prompts.read_instance(continuation, classification=False) == expected


def test_the_classification_prompt_shows_both_answers():
    prompt = prompts.is_classification([MOOD, ALONE], "Sort  it.")
    assert "Task: Is it glad?\nOne of few labels: yes" in prompt
    assert prompt.endswith("One of few labels: no\n\nTask: Sort it.\nOne of few labels:")
