"""What a request asks for, once it is read: the same from both endpoints."""

from dataclasses import dataclass
from typing import Literal

from lm.serve.api.served import Served
from lm.serve.request import Request


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that can be answered.

    Args:
        kind: The endpoint.
        served: The model.
        requests: What the engine is asked, one for each text, those of a prompt together.
        n: Texts of each prompt.
        seed: Seed of all draws.
        stream: Whether the answer comes in chunks.
        include_usage: Whether the last chunk counts tokens.
        echoes: The texts of the prompts, which stand before those that are generated; empty without `echo`.
        tools: Names of the tools that the model may call.
    """

    kind: Literal["chat", "completion"]
    served: Served
    requests: tuple[Request, ...]
    n: int
    seed: int
    stream: bool
    include_usage: bool
    echoes: tuple[str, ...] = ()
    tools: frozenset[str] = frozenset()

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompts; each counts once, however many texts continue it."""
        return sum(len(request.prompt) for request in self.requests[:: self.n])
