"""Messages and conversations, and the check that one can be trained on."""

from dataclasses import dataclass

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Message:
    """One turn.

    Args:
        role: Who speaks: system, user, assistant, or tool for the result of a tool call.
        content: What is said.
    """

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """A sequence of turns.

    Args:
        messages: The turns in order.
        task: Kind of question; validation reports each task separately.
        group: Conversations of one group are held out together; "" is a group of its own.
        place: Where it was read, as `chat.jsonl:12`; error messages begin with it.
    """

    messages: tuple[Message, ...]
    task: str = ""
    group: str = ""
    place: str = "conversation"

    @property
    def key(self) -> str:
        """What decides whether it is held out: its group, else its first question and answer."""
        first = {message.role: message.content for message in reversed(self.messages)}
        return self.group or f"{first.get('user', '')}\n{first.get('assistant', '')}"

    def check(self) -> None:
        """Refuse a conversation that cannot be trained on.

        Raises:
            ValueError: No turns, no assistant turn, an empty turn, a late system turn; with place and turn.
        """
        if not self.messages:
            raise ValueError(f"{self.place} has no turns: remove it")
        for number, message in enumerate(self.messages, start=1):
            where = f"{self.place}, turn {number}"
            check_turn(message, where)
            if not message.content.strip():
                word = "answer" if message.role == "assistant" else f"{message.role} turn"
                raise ValueError(f"{where}: the {word} is empty: fill it or remove it")
            if message.role == "system" and number > 1:
                raise ValueError(f"{where}: only the first turn may be a system turn: move it or merge it")
        if all(message.role != "assistant" for message in self.messages):
            raise ValueError(f"{self.place} has no assistant turn, so no token would be supervised: remove it")


def check_turn(message: Message, where: str) -> None:
    """Refuse an unknown role and content that is not text; `where` begins the error message."""
    if message.role not in ROLES:
        raise ValueError(f"{where}: role {message.role!r} is not one of {', '.join(ROLES)}: rename it")
    if not isinstance(message.content, str):
        kind = "None" if message.content is None else type(message.content).__name__
        raise ValueError(f"{where}: the content of the {message.role} is {kind}, not text: convert it")
