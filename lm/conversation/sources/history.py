"""Earlier turns that a record keeps in a field of its own, as `history` of Alpaca-type files."""

from lm.conversation.conversation import ROLES, Message, UnreadableRecordError
from lm.conversation.sources.message_parts import parse_list
from lm.conversation.sources.record import is_empty
from lm.conversation.sources.roles import suggested_role

SPEAKERS = ("role", "from", "speaker")
CONTENTS = ("content", "value", "text")


def read_history(value: object, where: str) -> list[Message]:
    """Return the turns of a history: [question, answer] pairs, messages, or texts of user and assistant in turn.

    Args:
        value: A list of these, or the list as JSON; empty or None for none.
        where: Place and field, which begin error messages.

    Raises:
        UnreadableRecordError: It is anything else.
    """
    if is_empty(value):
        return []
    items, turns = parse_list(value), []
    if items is None:
        raise _unreadable(where, value)
    for number, item in enumerate(items):
        if isinstance(item, str):
            turns.append(Message(("user", "assistant")[number % 2], item))
        elif isinstance(item, list) and len(item) == 2:
            turns += [Message("user", item[0]), Message("assistant", item[1])]
        elif isinstance(item, dict):
            turns += _message(item, where)
        else:
            raise _unreadable(where, item)
    return turns


def _message(item: dict, where: str) -> list[Message]:
    """The turns of an object: one with a role, or a question with its answer."""
    speaker = next((item[field] for field in SPEAKERS if isinstance(item.get(field), str)), None)
    content = next((item[field] for field in CONTENTS if field in item), None)
    if speaker is not None and (role := suggested_role(speaker)) in ROLES:
        return [Message(role, content)]
    by_role = {suggested_role(field): text for field, text in item.items() if isinstance(text, str)}
    if {"user", "assistant"} <= by_role.keys():
        return [Message("user", by_role["user"]), Message("assistant", by_role["assistant"])]
    raise _unreadable(where, item)


def _unreadable(where: str, value: object) -> UnreadableRecordError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return UnreadableRecordError(
        f"{where} holds {shown}: give a list of messages or of [question, answer] pairs, or remove it"
    )
