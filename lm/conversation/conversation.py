"""Who said what, and what nothing right could be learned from."""

from dataclasses import dataclass

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Message:
    """One turn: who speaks (system, user, assistant, or a tool that answers), and what is said."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """Turns in their order.

    `task` is what validation tells apart. Conversations that share text share a `group` and are held out
    together; "" is a group of its own. `place` says where it comes from, as `chat.jsonl:12`, for whoever has
    to mend it.
    """

    messages: tuple[Message, ...]
    task: str = ""
    group: str = ""
    place: str = "conversation"

    @property
    def key(self) -> str:
        """What it is held out by: its group, or else its first question and answer."""
        first = {message.role: message.content for message in reversed(self.messages)}
        return self.group or f"{first.get('user', '')}\n{first.get('assistant', '')}"

    def check(self) -> None:
        """Refuse what nothing right could be learned from, by place and turn."""
        if not self.messages:
            raise ValueError(f"{self.place} has no turns: leave it out")
        for number, message in enumerate(self.messages, start=1):
            where = f"{self.place}, turn {number}"
            check_turn(message, where)
            if not message.content.strip():
                word = "answer" if message.role == "assistant" else f"{message.role} turn"
                raise ValueError(f"{where}: the {word} is empty: fill it or leave it out")
            if message.role == "system" and number > 1:
                raise ValueError(f"{where}: a system turn opens a conversation or is not there: join or move it")
        if all(message.role != "assistant" for message in self.messages):
            raise ValueError(f"{self.place} has no assistant turn, so there is nothing to learn from: leave it out")


def check_turn(message: Message, where: str) -> None:
    """Refuse a turn that could not be written down."""
    if message.role not in ROLES:
        raise ValueError(f"{where}: role {message.role!r} is none of {', '.join(ROLES)}: rename it to one of them")
    if not isinstance(message.content, str):
        kind = "None" if message.content is None else type(message.content).__name__
        raise ValueError(f"{where}: the content of the {message.role} is {kind}, not text: write it out")
