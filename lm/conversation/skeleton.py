"""What a chat_template writes around contents, for turns of given roles and tool calls."""

import re
from collections.abc import Sequence
from dataclasses import replace

from lm.conversation.conversation import Message
from lm.conversation.script import PLACEHOLDER, Render, Script
from lm.conversation.tool_calls import neutral_call

PLACEHOLDERS = re.compile(PLACEHOLDER.format("([0-9]+)"))


class Skeleton:
    """What a template writes around placeholders in turns of given roles.

    Args:
        turns: The turns, as `placeholders` gives them.
        render: Renders turns, with or without the prompt for an answer.
        special: Special tokens that the template may write, with their ids.
        path: Where the template comes from, for messages.

    Raises:
        ValueError: The template refuses the turns, or does not write the content of each once and in order.
    """

    def __init__(self, turns: Sequence[Message], *, render: Render, special: dict[str, int], path: str):
        padded = [replace(turn, content=f"\t{turn.content}\t", calls=()) for turn in turns]
        self.script = Script(turns, render=render, special=special, path=path)
        text = self.script.text(len(turns))
        found, due = PLACEHOLDERS.findall(text), [str(number) for number, turn in enumerate(turns) if turn.words]
        if found != due:
            place = next(n for n in range(len(due)) if found[n : n + 1] != [due[n]] or found.count(due[n]) > 1)
            roles, number = [turn.role for turn in turns], int(due[place])
            raise ValueError(
                f"turn {number + 1}: the chat_template of {path} does not write the content of the {roles[number]} "
                f"turn exactly once and in order, among {', '.join(roles)}: split the conversation, or use another "
                "template"
            )
        if any(turn.calls for turn in turns):
            return  # never filled
        loose = render(padded, [], False)
        self._strips = [turn.content not in loose for turn in padded]

    @staticmethod
    def placeholders(messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return turns of the same roles, with a placeholder for each content and a neutral call for each tool call."""
        turns = []
        for number, message in enumerate(messages):
            calls = tuple(neutral_call(line, "x") for line in message.calls)
            content = [PLACEHOLDER.format(number)] if message.words or not calls else []
            turns.append(Message(message.role, "\n".join([*content, *calls]), calls=calls))
        return tuple(turns)

    def filled(self, turns: int, prompt: bool, messages: Sequence[Message]) -> str:
        """Return the text of the first turns, with contents in place of placeholders."""
        contents = [
            message.content.strip() if strips else message.content
            for message, strips in zip(messages, self._strips, strict=True)
        ]
        return PLACEHOLDERS.sub(lambda found: contents[int(found[1])], self.script.text(turns, prompt=prompt))
