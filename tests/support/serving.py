"""A server of tiny models on a free port, and requests to it without any library of ours."""

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lm.conversation import RoleTokenTemplate, Template
from lm.generation import Sampling
from lm.model import Transformer
from lm.serve.api import Access, Api, Limits, Models, Served
from lm.serve.api.measures import Measures
from lm.serve.api.server import Server, listen
from lm.serve.engine import Engine
from lm.serve.request import Request, Update
from lm.tokenizer import Tokenizer, byte_tokenizer
from support.small_models import CONTEXT, small_model

TOKENIZER = byte_tokenizer([])
COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
MODEL = "instruct/small"


@dataclass
class Serving:
    """A running server, and what it printed."""

    server: Server
    served: list[Served]
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.port

    def send(
        self, path: str, body: Any = None, *, method: str = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; `body` is bytes as they are, anything else as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method or ("GET" if data is None else "POST"), path, body=data, headers=given)
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        status, _, data = self.send(path, body, **headers)
        return status, json.loads(data)

    def refusal(self, path: str, body: Any = None, **headers: str) -> tuple[int, str, str | None, str | None]:
        """Status, message, param and code of an error, which has OpenAI's form."""
        status, answer = self.ask(path, body, **headers)
        assert {name: [*answer[name]] for name in answer} == {"error": ["message", "type", "param", "code"]}
        return status, answer["error"]["message"], answer["error"]["param"], answer["error"]["code"]

    def stream(self, path: str, body: dict) -> list[dict]:
        """The events of a stream, whose form is checked."""
        status, headers, data = self.send(path, {**body, "stream": True})
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/event-stream"), data
        *lines, end = data.decode().split("\n\n")
        assert (lines[-1], end) == ("data: [DONE]", "")
        assert all(line.startswith("data: ") and "\n" not in line for line in lines)
        return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


class ScriptedTicket:
    """A request whose answer is written already."""

    cached_prompt_tokens = 3
    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def script(server: Serving, updates: Sequence[Update], *, refuse: Exception | None = None) -> list[ScriptedTicket]:
    """Have the engine of the first model answer with these updates; return the tickets of what is asked."""
    tickets: list[ScriptedTicket] = []

    def submit(request: Request, deliver: Callable[[Update], None]) -> ScriptedTicket:
        if refuse is not None:
            raise refuse
        tickets.append(ScriptedTicket())
        for update in updates:
            deliver(update)
        return tickets[-1]

    server.served[0].engine.submit = submit
    return tickets


@contextmanager
def serving(
    *,
    template: Template | None = None,
    tokenizer: Tokenizer = TOKENIZER,
    model: Transformer | None = None,
    limits: Limits | None = None,
    key: str = "",
    origins: tuple[str, ...] = (),
    **options: Any,
) -> Iterator[Serving]:
    """Serve a tuned model and a base model; the options are those of the engine."""
    model = model or small_model(tokenizer)
    given = {"tokenizer": tokenizer, "sampling": Sampling(), "context": model.context, "vocab_size": model.vocab_size}
    served = [
        Served(name=name, path=f"outputs/{name}", engine=Engine(model, tokenizer, **options), template=known,
               fingerprint=number * 16, **given)
        for name, known, number in ((MODEL, template or RoleTokenTemplate(), "a1"), ("pretrain/base", None, "b2"))
    ]  # fmt: skip
    lines: list[str] = []
    warnings: list[str] = []
    api = Api(Models(*served), limits=limits or Limits(), measures=Measures(served))
    access = Access(host="127.0.0.1", key=key, origins=origins)
    server = Server(api, listen("127.0.0.1", 0), access=access, log=lines.append, warn=warnings.append)
    for each in served:
        each.engine.start()
    server.start()
    try:
        yield Serving(server, served, lines, warnings)
    finally:
        server.close(seconds=10)
        for each in served:
            each.engine.close(drain=False, seconds=0)


__all__ = ["CHAT", "COMPLETIONS", "CONTEXT", "HELLO", "MODEL", "TOKENIZER", "Serving", "script", "serving"]
