"""A Python function of the user's as a reward."""

import pytest

from lm.config.trust import trusting
from lm.reward import Answer, FunctionReward

OWN = "support.own_rewards"


def reward(name, **options):
    with trusting([OWN]):
        return FunctionReward(f"{OWN}.{name}", **options)


def test_a_function_is_given_what_its_parameters_name():
    assert reward("brief")([Answer(text="a b c"), Answer(text="a b c d")]) == [1, 0]
    assert reward("everything")([Answer(text="a", prompt="p", tokens=3)]) == [1]


def test_a_function_of_a_batch_is_called_once():
    assert reward("ranks")([Answer(text="", tokens=n) for n in (3, 1, 2)]) == [2, 0, 1]


def test_further_arguments_come_from_the_config():
    assert reward("brief", arguments={"words": 4})([Answer(text="a b c d")]) == [1]


def test_a_function_with_a_reference_needs_one():
    assert reward("same").needs_reference
    assert not reward("brief").needs_reference
    assert reward("same")([Answer(text="a")]) == [None]


def test_a_package_that_is_not_trusted_is_refused_before_it_is_imported():
    with pytest.raises(ValueError, match=r"^reward\.function names os\.getenv, .*add trust=\[os\] to the command"):
        FunctionReward("os.getenv")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("foreign", {}, "has a parameter completions, which no answer fills: name its parameters answers, answer, "),
        ("mixed", {}, "has answers and text: name only answers"),
        ("nothing", {}, "reads no answer: name a parameter text"),
        ("Scorer", {}, "is a class: give a function"),
        ("brieff", {}, r"did you mean support\.own_rewards\.brief\?"),
        ("brief", {"arguments": {"word": 1}}, "reward.arguments names word, which is no parameter of"),
    ],
)
def test_signatures_are_checked_before_the_run(name, options, message):
    with pytest.raises(ValueError, match=message):
        reward(name, **options)
