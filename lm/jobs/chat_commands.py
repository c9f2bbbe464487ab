"""Commands within a chat: another system text or sampling, another answer, and conversations kept in files."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm.conversation import Message
from lm.files import write_atomically
from lm.generation import Sampling

if TYPE_CHECKING:
    from lm.jobs.chat import Chat
    from lm.jobs.side_by_side import Chats

SAMPLING = tuple(field.name for field in fields(Sampling))
SETTINGS = (*SAMPLING, "max_tokens", "seed")
WHOLE, NULLABLE = ("max_tokens", "seed", "top_k"), ("top_k",)
NOTHING = "none"  # what removes the system text


def carry_out(name: str, argument: str, chats: "Chats") -> str:
    """Carry out a command and return what the user should know.

    Args:
        name: The command, as /set.
        argument: What follows it.
        chats: The conversation with each model.

    Raises:
        ValueError: The command cannot be carried out; the conversation is as before.
        OSError: A file cannot be read or written.
    """
    commands: Mapping[str, Callable[[str, Chats], str]] = {
        "/reset": _reset,
        "/system": _system,
        "/set": _set,
        "/save": _save,
        "/load": _load,
    }
    return commands[name](argument, chats)


def _reset(argument: str, chats: "Chats") -> str:
    chats.reset()
    return "new conversation"


def _system(argument: str, chats: "Chats") -> str:
    if not argument:
        opening = chats.conversations[0].opening
        return (
            f"the system text is {opening[0].content!r}; /system {NOTHING} removes it" if opening else "no system text"
        )
    text = None if argument == NOTHING else argument
    _changed(chats, lambda chat: chat.set_system(text))
    return "no system text" if text is None else "system text set; /reset forgets what was said before"


def _set(argument: str, chats: "Chats") -> str:
    if not argument:
        return ", ".join(f"{name}={_shown(chats.conversations[0], name)}" for name in SETTINGS)
    name, _, value = argument.replace("=", " ", 1).partition(" ")
    if name not in SETTINGS or not value.strip():
        raise ValueError(f"write /set NAME VALUE, as /set temperature 0.7; names are {', '.join(SETTINGS)}")
    number = _number(name, value.strip())
    _changed(chats, lambda chat: _set_one(chat, name, number))
    return f"{name}={_shown(chats.conversations[0], name)}"


def _number(name: str, text: str) -> float | None:
    """The value of a setting; null is one of top_k alone, which then keeps all tokens."""
    try:
        number = json.loads(text)
    except ValueError:
        number = text
    kinds = int if name in WHOLE else int | float
    if (number is None and name in NULLABLE) or (isinstance(number, kinds) and not isinstance(number, bool)):
        return number
    raise ValueError(f"/set {name} {text}: not a {'whole ' if name in WHOLE else ''}number")


def _set_one(chat: "Chat", name: str, value: Any) -> None:
    if name in SAMPLING:
        chat.sampling = replace(chat.sampling, **{name: value})
    elif name == "seed":
        chat.seed = value
    else:
        chat.set_max_tokens(value)


def _shown(chat: "Chat", name: str) -> str:
    return json.dumps(getattr(chat.sampling if name in SAMPLING else chat, name))


def _changed(chats: "Chats", change: Callable[["Chat"], None]) -> None:
    """Apply a change to every chat, or to none if one refuses it."""
    before = [dict(vars(chat)) for chat in chats.conversations]
    try:
        for chat in chats.conversations:
            change(chat)
    except ValueError:
        for chat, known in zip(chats.conversations, before, strict=True):
            vars(chat).update(known)
        raise


def _save(argument: str, chats: "Chats") -> str:
    """Write a line per model, in the layout that `data/conversations=messages` reads."""
    if not argument:
        raise ValueError("write /save FILE, as /save talk.jsonl")
    file = Path(argument).expanduser()
    if file.exists():
        raise ValueError(f"{file} exists: name another file")
    lines = [_record(chat) for chat in chats.conversations]
    write_atomically(file, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    turns = len(chats.conversations[0].turns)
    return f"{turns} {'message' if turns == 1 else 'messages'} → {file}; /load {argument} continues them"


def _record(chat: "Chat") -> dict[str, Any]:
    return {"messages": [{"role": turn.role, "content": turn.content} for turn in [*chat.opening, *chat.turns]]}


def _load(argument: str, chats: "Chats") -> str:
    """Continue the conversation of a file; with several models, each with its own line, or all with the only one."""
    if not argument:
        raise ValueError("write /load FILE, as /load talk.jsonl")
    file = Path(argument).expanduser()
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    found = [_messages(line, f"{file}:{number}") for number, line in enumerate(lines, start=1)]
    if not found:
        raise ValueError(f"{file} is empty")
    for chat, number in zip(chats.conversations, range(len(chats.conversations)), strict=True):
        chat.take(found[min(number, len(found) - 1)])
    return f"{len(found[0])} messages of {file}"


def _messages(line: str, place: str) -> list[Message]:
    try:
        turns = [Message(str(turn["role"]), str(turn["content"])) for turn in json.loads(line)["messages"]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f'{place} is not a conversation: a line is {{"messages": [{{"role", "content"}}, …]}}'
        ) from None
    roles = [turn.role for turn in turns if turn.role != "system"]
    if not {*roles} <= {"user", "assistant", "tool"} or roles[:1] not in ([], ["user"]):
        raise ValueError(f"{place}: a conversation has messages of user, assistant and tool, the first by user")
    return turns
