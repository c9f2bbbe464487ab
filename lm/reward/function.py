"""A Python function of the user's as a reward."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from inspect import Parameter
from typing import Any

from lm.config.trust import locate_trusted
from lm.reward.reward import Answer, Reward

FIELDS = tuple(field.name for field in fields(Answer))
BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class FunctionReward(Reward):
    """Scores by a function of your own, which returns a number or None.

    The names of its parameters say what the function is given: `text`, `reference`, `prompt`, `messages`, `tokens`,
    `finished` or `answer` of one answer at a time, or `answers` for all at once. The signature is checked before the
    run. The name of a package in a config runs its code, so the command must trust it: trust=[mine].

    Args:
        function: Import path, such as mine.rewards.brief.
        arguments: Further arguments of the function, by name.
    """

    def __init__(self, function: str, *, arguments: dict[str, Any] | None = None) -> None:
        found, complaint = locate_trusted(function, ("lm.reward",))
        if complaint:
            raise ValueError(f"reward.function names {complaint}")
        self.function: Callable = found
        self.arguments = dict(arguments or {})
        self.wanted, self.needs_reference = _wanted(found, function, self.arguments)

    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        if "answers" in self.wanted:
            return list(self.function(answers=answers, **self.arguments))
        return [self.function(**self._given(answer), **self.arguments) for answer in answers]

    def _given(self, answer: Answer) -> dict[str, Any]:
        return {name: answer if name == "answer" else getattr(answer, name) for name in self.wanted}


def _wanted(function: Callable, path: str, arguments: dict[str, Any]) -> tuple[list[str], bool]:
    """The parameters that an answer fills, and whether one is a reference without a default."""
    if inspect.isclass(function):
        raise ValueError(f"reward.function {path} is a class: give a function, or set the reward's _target_ to it")
    parameters = [each for each in inspect.signature(function).parameters.values() if each.kind in BY_NAME]
    names = [each.name for each in parameters]
    if unknown := sorted(arguments.keys() - set(names)):
        raise ValueError(f"reward.arguments names {unknown[0]}, which is no parameter of {path}: {', '.join(names)}")
    known = ("answers", "answer", *FIELDS)
    wanted = [name for name in names if name in known and name not in arguments]
    for each in parameters:
        if each.name not in known and each.name not in arguments and each.default is Parameter.empty:
            raise ValueError(
                f"reward.function {path} has a parameter {each.name}, which no answer fills: name its parameters "
                f"answers, answer, {', '.join(FIELDS)}, or set reward.arguments.{each.name}"
            )
    if not wanted:
        raise ValueError(f"reward.function {path} reads no answer: name a parameter text, or answers for a batch")
    if "answers" in wanted and len(wanted) > 1:
        raise ValueError(f"reward.function {path} has answers and {wanted[-1]}: name only answers for a batch")
    needs = any(each.name == "reference" and each.default is Parameter.empty for each in parameters)
    return wanted, needs and "reference" in wanted
