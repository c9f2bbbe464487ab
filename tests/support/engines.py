"""An engine for tests, which takes its steps one by one, and what it answers."""

from collections.abc import Sequence
from typing import Any

from lm.model import Transformer
from lm.serve import Engine, Request, Ticket, Update
from lm.tokenizer import byte_tokenizer

TOKENIZER = byte_tokenizer([])


class Asked:
    """A request and the updates that came."""

    def __init__(self, engine: Engine, request: Request) -> None:
        self.request = request
        self.updates: list[Update] = []
        self.ticket: Ticket = engine.submit(request, self.updates.append)

    @property
    def text(self) -> str:
        return "".join(update.text for update in self.updates)

    @property
    def tokens(self) -> list[int]:
        return [token for update in self.updates for token in update.tokens]

    @property
    def reason(self) -> str:
        return self.updates[-1].reason if self.updates else ""


def an_engine(model: Transformer, **options: Any) -> Engine:
    return Engine(model, TOKENIZER, **options)


def answered(engine: Engine, requests: Sequence[Request]) -> list[Asked]:
    """The answers to requests that come at once."""
    asked = [Asked(engine, request) for request in requests]
    for _ in range(10_000):
        if all(each.reason for each in asked):
            return asked
        engine.step()
    raise AssertionError("no end")
