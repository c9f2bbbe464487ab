"""What a chat_template writes around contents, for turns of given roles."""

import re
from collections.abc import Sequence
from dataclasses import replace

from lm.conversation.conversation import Message
from lm.conversation.script import PLACEHOLDER, Render, Script

PLACEHOLDERS = re.compile(PLACEHOLDER.format("([0-9]+)"))


class Skeleton:
    """What a template writes around placeholders in turns of given roles.

    Args:
        roles: The roles of the turns.
        render: Renders turns, with or without the prompt for an answer.
        special: Special tokens that the template may write, with their ids.
        path: Where the template comes from, for messages.

    Raises:
        ValueError: The template refuses the roles, or does not write the content of each turn once and in order.
    """

    def __init__(self, roles: Sequence[str], *, render: Render, special: dict[str, int], path: str):
        turns = [Message(role, PLACEHOLDER.format(number)) for number, role in enumerate(roles)]
        padded = [replace(turn, content=f"\t{turn.content}\t") for turn in turns]
        self.script = Script(turns, render=render, special=special, path=path)
        text = self.script.text(len(turns))
        if [int(number) for number in PLACEHOLDERS.findall(text)] != [*range(len(turns))]:
            found = PLACEHOLDERS.findall(text)
            number = next(n for n in range(len(turns)) if [str(n)] != found[n : n + 1] or found.count(str(n)) > 1)
            raise ValueError(
                f"turn {number + 1}: the chat_template of {path} does not write the content of the {roles[number]} "
                f"turn exactly once and in order, among {', '.join(roles)}: split the conversation, or use another "
                "template"
            )
        loose = render(padded, [], False)
        self._strips = [turn.content not in loose for turn in padded]

    def filled(self, turns: int, prompt: bool, messages: Sequence[Message]) -> str:
        """Return the text of the first turns, with contents in place of placeholders."""
        contents = [
            message.content.strip() if strips else message.content
            for message, strips in zip(messages, self._strips, strict=True)
        ]
        return PLACEHOLDERS.sub(lambda found: contents[int(found[1])], self.script.text(turns, prompt=prompt))
