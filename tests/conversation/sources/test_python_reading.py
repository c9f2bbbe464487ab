"""Each question about code that is shown is answered by what is shown."""

import ast
import re
from collections import Counter

import pytest

from lm.conversation.sources.python_api import Entry, library_entries
from lm.conversation.sources.python_reading import Reading, read_signature, readings, spoilt, words


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return library_entries()


@pytest.fixture(scope="module")
def made(entries) -> list[Reading]:
    return list(readings(entries))


def asked(made: list[Reading], task: str) -> list[tuple[str, str, str]]:
    """What is shown, the question and the answer of each question of a task."""
    return [(one.shown, each.question, each.answer) for one in made for each in one.questions if each.task == task]


def names_of(shown: str) -> list[str]:
    """The arguments of the function that is shown, without self and cls."""
    function = ast.parse(shown if '"""' in shown else f"{shown} pass").body[0].args
    names = [*function.posonlyargs, *function.args]
    names = names[1:] if names and names[0].arg in ("self", "cls") else names
    names += [one for one in (function.vararg, *function.kwonlyargs, function.kwarg) if one]
    return [one.arg for one in names]


def test_every_task_occurs_often_enough_to_be_learned(made):
    tasks = Counter(question.task for reading in made for question in reading.questions)
    assert min(tasks.values()) > 500, tasks
    assert len(tasks) == 10


def test_the_arguments_are_those_of_the_header_in_its_order(made):
    for shown, question, answer in asked(made, "arguments"):
        listed = answer.partition("(")[2].rstrip(")") if "call" in question.lower() else answer
        names = [] if answer == "It takes none." else [name.lstrip("*") for name in listed.split(", ") if name]
        assert names == names_of(shown), shown


def test_counts_are_the_number_of_arguments(made):
    for shown, _, answer in asked(made, "count"):
        assert int(answer) == len(names_of(shown)), shown


def test_defaults_are_those_of_the_header():
    signature = read_signature("def f(self, a, b=1, *rest, c, d='x', **others):")
    assert signature.names == ("a", "b", "*rest", "c", "d", "**others")
    assert signature.defaults == {"b": "1", "d": "'x'"}


def test_a_header_of_more_than_200_characters_is_not_shown():
    assert read_signature(f"def f({', '.join(f'argument_{n}' for n in range(30))}):") is None


def test_a_default_is_written_behind_its_name(made):
    for shown, question, answer in asked(made, "default"):
        name = re.fullmatch(
            r"What is the default of (\w+)\?|Which default does (\w+) have\?|What is (\w+) if .*", question
        )
        name = next(filter(None, name.groups()))
        assert name in names_of(shown)
        assert answer == f"{name} has no default." or f"{name}={answer}" in shown, shown


def test_yes_and_no_are_true_and_about_equally_frequent(made):
    answers = Counter()
    for shown, question, answer in asked(made, "yes or no"):
        body = shown.split('"""')[1] if "docstring" in question else shown
        candidates = words(question, shortest=1)
        found = [word for word in candidates if re.search(rf"\b{re.escape(word)}\b", body)]
        answers[answer] += 1
        if answer == "Yes.":
            assert found, (shown, question)
    assert set(answers) == {"Yes.", "No."}
    assert 0.35 < answers["Yes."] / answers.total() < 0.65


def test_what_is_returned_and_raised_stands_in_the_code(made):
    for shown, question, answer in asked(made, "returns"):
        assert (
            f"raise {answer}" in shown if "raise" in question or "xception" in question else f"return {answer}" in shown
        )


def test_imports_stand_in_what_is_shown(made):
    for shown, question, answer in asked(made, "imports"):
        lines = [line.partition(" import ") for line in shown.splitlines()]
        names = {name for start, _, listed in lines if start == f"from {answer}" for name in listed.split(", ")}
        assert names & set(question.rstrip("?").split()), (shown, question)


def test_methods_are_listed_in_their_order_or_sorted(made):
    for shown, question, answer in asked(made, "list"):
        names = re.findall(r"    (?:async )?def (\w+)", shown)
        assert answer == ", ".join(sorted(names) if "Sort" in question or "alphabetical" in question else names)


def test_names_and_summaries_are_those_of_one_line(made):
    for shown, question, answer in asked(made, "lookup"):
        (path,) = [line.split(": ")[0] for line in shown.splitlines() if line.endswith(f": {answer}")]
        assert path in question
    for shown, question, answer in asked(made, "name"):
        described = question.partition(": ")[2]
        assert f"{answer}: {described}" in shown.splitlines() if described else f"def {answer}(" in shown


def test_a_corrected_line_differs_from_what_is_shown_by_one_mistake(made):
    for shown, _, answer in asked(made, "correct"):
        assert shown != answer
        assert shown in spoilt(answer)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("if not self.done:", {"if nto self.done:", "if not slef.done:", "if not self.done"}),
        ("value = max(values)", {"value = max(values"}),
        ("plain words", set()),
    ],
)
def test_a_line_is_spoilt_in_one_place(line, wrong):
    assert set(spoilt(line)) == wrong


def test_questions_depend_on_names_of_the_same_module_alone(entries, made):
    of_json = [entry for entry in entries if entry.module == "json"]
    assert list(readings(of_json)) == [reading for reading in made if reading.entry.module == "json"]


def test_what_is_shown_stands_in_the_first_turn_and_the_last_question_names_the_task(made):
    for reading in made[::50]:
        assert reading.shown in reading.turns[0]
        assert len(reading.turns) == 2 * len(reading.questions)
        assert reading.turns[-2].endswith(reading.questions[-1].question) or len(reading.questions) == 1
        assert reading.task == reading.questions[-1].task
