"""Whether the program of an answer passes unit tests."""

import json

import pytest

from lm.reward import Answer, UnitTests
from lm.reward.unit_tests import parse_tests, program_of
from lm.sandbox import Sandbox

REWARD = UnitTests(Sandbox(elapsed=30))
DOUBLE = "def f(x):\n    return 2 * x\n"
HUMAN_EVAL = {"test": "def check(candidate):\n    assert candidate(2) == 4\n", "entry_point": "f"}


def scores(reference, *texts, reward=REWARD):
    return reward([Answer(text=text, reference=reference) for text in texts])


@pytest.mark.parametrize(
    "reference",
    [
        "assert f(2) == 4\nassert f(0) == 0",
        "def test_f():\n    assert f(2) == 4",
        json.dumps(["assert f(2) == 4", "assert f(0) == 0"]),
        json.dumps(HUMAN_EVAL),
    ],
    ids=["text", "pytest", "mbpp", "humaneval"],
)
def test_functions_are_scored_by_tests_in_each_published_form(reference):
    fenced = f"Here it is:\n```python\n{DOUBLE}```\nas you asked."
    assert scores(reference, DOUBLE, fenced, DOUBLE.replace("2", "3"), "", "no code") == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    "reference",
    [{"inputs": ["2\n", "3\n"], "outputs": ["4\n", "6"]}, [{"input": "2", "output": "4"}]],
    ids=["apps", "list"],
)
def test_programs_are_scored_by_what_they_print(reference):
    good, wrong, exits = "print(2 * int(input()))", "print(input())", "print(4); 1 / 0"
    assert scores(json.dumps(reference), good, f"```py\n{good}\n```", wrong, exits) == [1, 1, 0, 0]


def test_a_share_of_tests_is_rewarded_where_asked():
    reference = json.dumps(["assert f(2) == 4", "assert f(0) == 1", "assert f(1) == 2", "assert g() == 1"])
    assert scores(reference, DOUBLE) == [0]
    assert scores(reference, DOUBLE, reward=UnitTests(Sandbox(elapsed=30), share=True)) == [0.5]


@pytest.mark.parametrize(
    "reference", [None, "", "  ", "(", "[]", "{}", "[1]", '{"inputs": [1], "outputs": []}', "[" * 5000, '["(", "x"]']
)
def test_an_answer_without_tests_that_can_run_is_not_scorable(reference):
    assert REWARD([Answer(text=DOUBLE, reference=reference)]) == [None]


def test_a_builtin_is_the_programs_only_where_the_tests_compare_its_value():
    assert parse_tests("assert sum(1, 2) == 3").names == ("sum",)
    assert parse_tests("assert abs(f(1) - 2) < 0.1").names == ()
    assert parse_tests("assert sorted(f(1)) == [1]").names == ()
    program, hack = "def sum(a, b): return a + b", "def sorted(x): return [1]\ndef f(x): return [3]"
    assert scores("assert sum(1, 2) == 3", program) == [1]
    assert scores("assert sorted(f(1)) == [1]", hack) == [0]


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("x = 1", "x = 1"),
        ("```python\nx = 1\n```", "x = 1\n"),
        ("```\nx = 1\n```\nor\n```Python3\nx = 2\n```", "x = 2\n"),
        ("```python\nx = 1\n```\n```text\n2\n```", "x = 1\n"),
        ("```bash\nls\n```", ""),
        ("```python\nx = 1", "x = 1"),  # cut at the length limit
        ("", ""),
    ],
)
def test_the_program_is_the_last_block_of_python(text, program):
    assert program_of(text) == program


@pytest.mark.parametrize("text", ["x" * 10_000, "\0", "```" * 3000, "\ud800", "<think></think>a", "9**9**9"])
def test_adversarial_answers_score_0(text):
    assert scores("assert f(2) == 4", text, reward=UnitTests(Sandbox(seconds=1, elapsed=30))) == [0]
