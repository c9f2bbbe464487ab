"""The tools of a conversation: in one form whatever the file has, and as text for templates that do not take them."""

import json
from dataclasses import replace

from lm.conversation.conversation import Conversation, Message, UnreadableRecordError
from lm.conversation.template import Template

HEADING = "Tools:"


def with_tools_as_text(conversation: Conversation, template: Template) -> Conversation:
    """Return it with its tools at the end of the system turn, unless the template writes tools itself.

    Each tool is a line of JSON with its name, description and parameters, as tool calls are lines of JSON.
    """
    return conversation if template.takes_tools else tools_as_text(conversation)


def tools_as_text(conversation: Conversation) -> Conversation:
    """Return it with its tools at the end of the system turn, which it gets if it has none."""
    if not conversation.tools:
        return conversation
    lines = [json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in conversation.tools]
    text = "\n".join([HEADING, *lines])
    messages = conversation.messages
    if messages and messages[0].role == "system":
        first = replace(messages[0], content=f"{messages[0].content}\n\n{text}")
        return replace(conversation, messages=(first, *messages[1:]), tools=())
    return replace(conversation, messages=(Message("system", text), *messages), tools=())


def parse_tools(value: object, where: str) -> tuple[dict, ...]:
    """Return the tools of a record, each as `{"type": "function", "function": {"name": …}}`.

    Args:
        value: A list of tools or of their functions, one of them, or either as JSON; empty or None for none.
        where: Place and field, which begin error messages.

    Raises:
        UnreadableRecordError: It is none of these, or a tool has no name.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError:
            raise UnreadableRecordError(f"{where} is not JSON: give a list of tools, each with a name") from None
    if value is None or value in ("", [], {}) or (isinstance(value, str) and not value.strip()):
        return ()
    tools = []
    for tool in value if isinstance(value, list) else [value]:
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise UnreadableRecordError(f"{where} has a tool without a name: give a list of tools, each with a name")
        tools.append(tool if "function" in tool else {"type": "function", "function": tool})
    return tuple(tools)
