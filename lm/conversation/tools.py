"""The tools of a conversation: in one form whatever the file has, and as text for templates that do not take them."""

import json
from dataclasses import replace

from lm.conversation.conversation import Conversation, Message
from lm.conversation.template import Template

HEADING = "Tools:"


def with_tools_as_text(conversation: Conversation, template: Template) -> Conversation:
    """Return it with its tools at the end of the system turn, unless the template writes tools itself.

    Each tool is a line of JSON with its name, description and parameters, as tool calls are lines of JSON.
    """
    if not conversation.tools or template.takes_tools:
        return conversation
    lines = [json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in conversation.tools]
    text = "\n".join([HEADING, *lines])
    messages = conversation.messages
    if messages and messages[0].role == "system":
        first = replace(messages[0], content=f"{messages[0].content}\n\n{text}")
        return replace(conversation, messages=(first, *messages[1:]), tools=())
    return replace(conversation, messages=(Message("system", text), *messages), tools=())
