"""Messages and conversations, and the check that one can be trained on."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

ROLES = ("system", "user", "assistant", "tool")
THOUGHT_MARKS = re.compile(r"</?(?:think|thinking|thought|reasoning)>|\[/?THINK\]")  # around thoughts in an answer


class UnreadableRecordError(ValueError):
    """A record cannot be read, although others of its file may be."""


@dataclass(frozen=True)
class Message:
    """One turn.

    Args:
        role: Who speaks: system, user, assistant, or tool for the result of a tool call.
        content: What is said.
        supervised: Whether an answer is learned. Answers that their file marks as not to be learned are context only.
        reasoning: Thoughts before an answer, for a chat_template that writes them (`reasoning_content`); "" for none.
            Thoughts may also stand in `content`, between `<think>` and `</think>`.
        calls: The lines at the end of `content` that are tool calls, each as JSON of one call or a list of them.
    """

    role: str
    content: str
    supervised: bool = True
    reasoning: str = ""
    calls: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The content before its tool calls."""
        return self.content.removesuffix("\n".join(self.calls)).removesuffix("\n") if self.calls else self.content

    @property
    def learned(self) -> bool:
        """Whether it is an answer that is learned."""
        return self.role == "assistant" and self.supervised

    @property
    def thoughts(self) -> list[str]:
        """What stands before the answer proper: its reasoning, and what its content has between marks of thoughts."""
        return [part for part in map(str.strip, [self.reasoning, *THOUGHT_MARKS.split(self.content)[:-1]]) if part]

    @property
    def spoken(self) -> str:
        """The content after its thoughts, without white space at its ends."""
        return THOUGHT_MARKS.split(self.content)[-1].strip()


@dataclass(frozen=True)
class Conversation:
    """A sequence of turns.

    Args:
        messages: The turns in order.
        task: Kind of question; validation reports each task separately.
        group: Conversations of one group are held out together; "" is a group of its own.
        place: Where it was read, as `chat.jsonl:12`; error messages begin with it.
        tools: The tools that the assistant may call, each as `{"type": "function", "function": {"name": …}}`.
            `with_tools_as_text` writes them in the system turn for templates that do not take them.
        fault: Why its record cannot be read, without the place; "" for a conversation that was read.
    """

    messages: tuple[Message, ...]
    task: str = ""
    group: str = ""
    place: str = "conversation"
    tools: tuple[dict, ...] = ()
    fault: str = ""

    @property
    def key(self) -> str:
        """What decides whether it is held out: its group, else its first question and answer."""
        first = {message.role: message.content for message in reversed(self.messages)}
        return self.group or f"{first.get('user', '')}\n{first.get('assistant', '')}"

    def up_to(self, number: int) -> "Conversation":
        """Return its first `number` turns, of which only the last one is learned."""
        *before, last = self.messages[:number]
        return replace(self, messages=(*(replace(message, supervised=False) for message in before), last))

    def check(self) -> None:
        """Refuse a conversation that cannot be trained on.

        Raises:
            ValueError: A record that cannot be read, no turns, no answer to learn, an empty turn, a late system turn;
                with place and turn.
        """
        self.check_turns()
        if all(message.role != "assistant" for message in self.messages):
            raise ValueError(f"{self.place} has no assistant turn, so no token would be supervised: remove it")
        if not any(message.learned for message in self.messages):
            raise ValueError(f"{self.place}: every answer is marked as not to be learned: remove it")

    def check_turns(self) -> None:
        """Refuse a conversation that cannot be read: a faulty record, no turns, an empty turn, a late system turn.

        Raises:
            ValueError: With place and turn.
        """
        if self.fault:
            raise ValueError(f"{self.place}{self.fault}")
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


def end_of_content(message: Message, text: str, at: int, *, normalize: Callable[[str], str] = str) -> int:
    """Where the content of a turn ends in a text that may trim it, from `at` on; -1 if it is not there.

    Of an answer it is what follows its thoughts. The result of a tool may be spelled as JSON, as in Llama 3.1.
    """
    said = message.spoken if message.role == "assistant" else message.content.strip()
    for spelled in (said, json.dumps(said, ensure_ascii=False)[1:-1])[: 1 + (message.role == "tool")]:
        content = normalize(spelled)
        if (found := text.find(content, at)) >= 0:
            return found + len(content)
    return -1


def check_turn(message: Message, where: str) -> None:
    """Refuse an unknown role and content that is not text; `where` begins the error message."""
    if message.role not in ROLES:
        raise ValueError(f"{where}: role {message.role!r} is not one of {', '.join(ROLES)}: rename it")
    if not isinstance(message.content, str):
        kind = "None" if message.content is None else type(message.content).__name__
        raise ValueError(f"{where}: the content of the {message.role} is {kind}, not text: convert it")


def reason_of(fault: str) -> str:
    """Return what a message of `Conversation.check` says is wrong, without place, turn and remedy, to be counted.

    Args:
        fault: The message, without the conversation's place.
    """
    without_turn = re.sub(r"^[,:]? *(?:turn \d+)?[,:]? *", "", fault)
    return without_turn.partition(": ")[0].rstrip(".")
