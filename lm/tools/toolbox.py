"""The tools of a conversation: how they are described to the model, and what its calls return."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm.bounds import Count
from lm.conversation import Conversation, Message, Template, with_tools_as_text
from lm.tokenizer import Tokenizer
from lm.tools.calls import Call, calls_in
from lm.tools.tool import Tool, ToolError

KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,),
}  # fmt: skip


class Toolbox:
    """Tools that a model may call, with limits. A failed call returns its error as text to the model.

    Args:
        tools: The tools; each is called by its own name.
        max_calls: Most calls in one answer; further ones are not run and return an error.
        max_characters: Longest result; the middle of a longer one is left out.

    Raises:
        ValueError: Two tools of one name.
    """

    def __init__(self, tools: Sequence[Tool], *, max_calls: Count = 8, max_characters: Count = 2000) -> None:
        self.tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self.tools:
                raise ValueError(f"tools has two named {tool.name}: leave one out")
            self.tools[tool.name] = tool
        self.max_calls, self.max_characters = max_calls, max_characters

    def check(self, template: Template, tokenizer: Tokenizer) -> None:
        """Refuse a template that has no turn for the result of a tool."""
        turns = [Message(role, "x") for role in ("user", "assistant", "tool")]
        try:
            template.prompt(turns, tokenizer)
        except ValueError:
            raise ValueError(
                "tools: the model's template cannot write the result of a tool: tune the model on conversations with "
                "tools in one that can, as lm instruct conversation@data.template=roles_with_tools (or chatml)"
            ) from None

    def shown(self, messages: Sequence[Message], template: Template) -> tuple[tuple[Message, ...], tuple[dict, ...]]:
        """Return turns and tools to prompt with: tools stand in the system turn unless the template writes them."""
        schemas = tuple(tool.schema for tool in self.tools.values())
        shown = with_tools_as_text(Conversation(tuple(messages), tools=schemas), template)
        return shown.messages, shown.tools

    def results(self, text: str, *, called: int = 0) -> list[Message]:
        """Run the calls with which an answer ends.

        Args:
            text: The answer.
            called: Calls that were run for it already.

        Returns:
            A tool turn for each call, in order; none if the answer calls nothing.
        """
        return [
            Message("tool", self._result(call, exhausted=called + number >= self.max_calls))
            for number, call in enumerate(calls_in(text))
        ]

    def _result(self, call: Call, *, exhausted: bool) -> str:
        if exhausted:
            return f"error: the limit of {self.max_calls} calls is reached: answer without tools"
        try:
            return self._shortened(self._run(call))
        except ToolError as error:
            return self._shortened(f"error: {error}")

    def _run(self, call: Call) -> str:
        if call.fault:
            raise ToolError(call.fault)
        tool = self.tools.get(call.name)
        if tool is None:
            raise ToolError(f"there is no tool {call.name[:40]!r}: the tools are {', '.join(self.tools)}")
        _check(call.arguments, tool)
        return tool.call(call.arguments)

    def _shortened(self, text: str) -> str:
        if len(text) <= self.max_characters:
            return text or "nothing"
        half = self.max_characters // 2
        return f"{text[:half]} … {len(text) - 2 * half} characters left out … {text[-half:]}"


def _check(arguments: Mapping[str, Any], tool: Tool) -> None:
    """Refuse arguments that the schema of a tool does not name, of another type, or that are missing."""
    known = tool.parameters.get("properties", {})
    for name, value in arguments.items():
        if name not in known:
            raise ToolError(f"{tool.name} has no parameter {name[:40]!r}: it has {', '.join(known)}")
        kinds = KINDS.get(known[name].get("type"), (object,))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
            raise ToolError(f"{name} of {tool.name} must be of type {known[name]['type']}")
    for name in tool.parameters.get("required", ()):
        if name not in arguments:
            raise ToolError(f"{tool.name} needs {name}")
