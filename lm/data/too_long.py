"""What is kept of a conversation that is longer than the context: whole turns, and with each its history or none.

An exchange is what a user says and all that is said up to the next time that a user speaks after an answer. Only
exchanges are taken apart, so whatever is kept is a conversation itself and is certified as any other. The system's turn
stays with each part. Turns after the last answer, from which nothing is learned, go first.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from lm.conversation import Conversation, Message

TooLong = Literal["refuse", "drop", "split", "truncate"]
Fits = Callable[[Conversation], bool]


def truncated(conversation: Conversation, fits: Fits) -> list[Conversation]:
    """Without as many of its first exchanges as it takes to fit; none if the last one does not fit alone."""
    system, exchanges = parted(conversation)

    def rest(start: int) -> Conversation:
        return _joined(conversation, system, exchanges[start:])

    start = bisect_left(range(len(exchanges)), True, key=lambda start: fits(rest(start)))
    return [rest(start)] if start < len(exchanges) else []


def split(conversation: Conversation, fits: Fits) -> list[Conversation]:
    """Parts of as many exchanges in a row as fit, from the first on; one that does not fit alone is left out."""
    system, exchanges = parted(conversation)
    parts: list[Conversation] = []
    taken: list[list[Message]] = []
    for exchange in exchanges:
        if taken and not fits(_joined(conversation, system, [*taken, exchange])):
            parts.append(_joined(conversation, system, taken))
            taken = []
        if taken or fits(_joined(conversation, system, [exchange])):
            taken.append(exchange)
    return [*parts, _joined(conversation, system, taken)] if taken else parts


def parted(conversation: Conversation) -> tuple[list[Message], list[list[Message]]]:
    """The system's turn, if there is one, and the exchanges up to the last answer."""
    messages = list(conversation.messages)
    while messages and messages[-1].role != "assistant":
        messages.pop()
    system = messages[:1] if messages and messages[0].role == "system" else []
    exchanges: list[list[Message]] = []
    for message in messages[len(system) :]:
        if not exchanges or (message.role == "user" and exchanges[-1][-1].role == "assistant"):
            exchanges.append([])
        exchanges[-1].append(message)
    return system, exchanges


def _joined(conversation: Conversation, system: list[Message], exchanges: list[list[Message]]) -> Conversation:
    return replace(conversation, messages=(*system, *(message for exchange in exchanges for message in exchange)))
