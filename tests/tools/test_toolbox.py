"""Tools answer calls with text, also where a call is wrong, and within limits."""

import json

import pytest

from lm.conversation import Message
from lm.sandbox import Sandbox
from lm.tools import Calculator, Python, Tool, Toolbox, ToolError
from support.talks import template_of

PARAMETERS = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "times": {"type": "integer"}, "loud": {"type": "boolean"}, "any": {}},
    "required": ["text"],
}


class Repeat(Tool):
    name = "repeat"
    description = "Repeat a text."
    parameters = PARAMETERS

    def call(self, arguments):
        return arguments["text"] * arguments.get("times", 1)


def results(name, arguments, *, tools=None, **options):
    toolbox = Toolbox(tools or [Calculator(), Repeat()], **options)
    return [turn.content for turn in toolbox.results(json.dumps({"name": name, "arguments": arguments}))]


def test_a_calculation_is_a_tool_turn():
    toolbox = Toolbox([Calculator()])
    text = '{"name": "calculator", "arguments": {"expression": "12 * (3 + 4)"}}'
    assert toolbox.results(f"{text}\n{text}") == [Message("tool", "84")] * 2
    assert toolbox.results("it is 84") == []


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("calculator", {"expression": "9**9**9"}, "error: the power has more than 4096 bits, which is too large"),
        ("calculator", {"expression": "1/0"}, "error: a division by 0 has no value"),
        ("calculator", {"expression": ""}, "error: expected a number instead of the end"),
        ("calculator", {}, "error: calculator needs expression"),
        ("calculator", {"expression": 3}, "error: expression of calculator must be of type string"),
        ("calculator", {"expression": "1", "x": 1}, "error: calculator has no parameter 'x': it has expression"),
        ("search", {"q": "x"}, "error: there is no tool 'search': the tools are calculator, repeat"),
        ("repeat", {"text": "a", "times": True}, "error: times of repeat must be of type integer"),
        ("repeat", {"text": "a", "times": 1.5}, "error: times of repeat must be of type integer"),
        ("repeat", {"text": "a", "loud": 1}, "error: loud of repeat must be of type boolean"),
    ],
)
def test_a_wrong_call_returns_its_error_to_the_model(name, arguments, text):
    (result,) = results(name, arguments)
    assert result.startswith(text)


def test_right_arguments_of_every_kind_pass():
    assert results("repeat", {"text": "a", "times": 3, "loud": True, "any": [1]}) == ["aaa"]


def test_calls_beyond_the_limit_are_not_run():
    toolbox = Toolbox([Repeat()], max_calls=3)
    line = '{"name": "repeat", "arguments": {"text": "a"}}'
    first, second = toolbox.results(f"{line}\n{line}", called=2)
    assert (first.content, second.content[:30]) == ("a", "error: the limit of 3 calls is")


def test_a_long_result_loses_its_middle():
    (result,) = results("repeat", {"text": "ab", "times": 5000}, max_characters=10)
    assert result == "ababa … 9990 characters left out … babab"


def test_python_prints_fails_and_is_ended():
    tools = [Python(Sandbox(seconds=1, elapsed=30))]

    def run(code):
        return results("python", {"code": code}, tools=tools)

    assert run("print(6 * 7)") == ["42"]
    assert run("x = 1") == ["the program printed nothing"]
    (error,) = run("print('so')\n1 / 0")
    assert error.startswith("error: so\nTraceback")
    assert error.endswith("ZeroDivisionError: division by zero")
    assert run("print('on')\nwhile True: print('x' * 1000)")[0].endswith("it wrote too much")
    assert run("import sys; sys.exit(3)") == ["error: it exited with an error"]


def test_tools_are_told_in_the_system_turn():
    turns, tools = Toolbox([Calculator()]).shown([Message("user", "6 * 7?")], template_of("chatml"))
    assert (turns[0].role, turns[1:], tools) == ("system", (Message("user", "6 * 7?"),), ())
    assert json.loads(turns[0].content.splitlines()[-1])["name"] == "calculator"
    schema = Calculator().schema
    assert schema["function"]["parameters"]["required"] == ["expression"]


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(ValueError, match="tools has two named calculator"):
        Toolbox([Calculator(), Calculator()])


def test_an_error_of_a_tool_is_no_error_of_ours():
    class Broken(Repeat):
        def call(self, arguments):
            raise ToolError("broken")

    assert results("repeat", {"text": ""}, tools=[Broken()]) == ["error: broken"]
