"""Shorten a conversation that is longer than the context: keep whole turns, and with each its history or none.

An exchange is what a user says and everything up to the next user turn after an answer. Conversations are cut between
exchanges only, so each part is a conversation itself and is validated like any other. Each part keeps the system turn.
Turns after the last answer that is learned are removed first, and a part in which nothing is learned is left out.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from lm.conversation import Conversation, Message

TooLong = Literal["refuse", "drop", "split", "truncate"]
Fits = Callable[[Conversation], bool]


def truncate(conversation: Conversation, fits: Fits) -> list[Conversation]:
    """Remove as few of the first exchanges as makes it fit; an empty list if the last one alone does not fit."""
    system, exchanges = split_exchanges(conversation)

    def rest(start: int) -> Conversation:
        return _join(conversation, system, exchanges[start:])

    start = bisect_left(range(len(exchanges)), True, key=lambda start: fits(rest(start)))
    return [rest(start)] if start < len(exchanges) else []


def split(conversation: Conversation, fits: Fits) -> list[Conversation]:
    """Split into parts of as many consecutive exchanges as fit; an exchange that does not fit alone is dropped."""
    system, exchanges = split_exchanges(conversation)
    parts: list[Conversation] = []
    part: list[list[Message]] = []
    for exchange in exchanges:
        if part and not fits(_join(conversation, system, [*part, exchange])):
            parts.append(_join(conversation, system, part))
            part = []
        if part or fits(_join(conversation, system, [exchange])):
            part.append(exchange)
    parts += [_join(conversation, system, part)] if part else []
    return [part for part in parts if any(map(_is_learned, part.messages))]


def split_exchanges(conversation: Conversation) -> tuple[list[Message], list[list[Message]]]:
    """The system turn, if there is one, and the exchanges up to the last answer that is learned."""
    messages = list(conversation.messages)
    while messages and not _is_learned(messages[-1]):
        messages.pop()
    system = messages[:1] if messages and messages[0].role == "system" else []
    exchanges: list[list[Message]] = []
    for message in messages[len(system) :]:
        if not exchanges or (message.role == "user" and exchanges[-1][-1].role == "assistant"):
            exchanges.append([])
        exchanges[-1].append(message)
    return system, exchanges


def _is_learned(message: Message) -> bool:
    return message.role == "assistant" and message.supervised


def _join(conversation: Conversation, system: list[Message], exchanges: list[list[Message]]) -> Conversation:
    return replace(conversation, messages=(*system, *(message for exchange in exchanges for message in exchange)))
