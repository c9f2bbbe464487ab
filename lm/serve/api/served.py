"""A model that is served: what a request needs to be read, answered and named."""

from dataclasses import dataclass, field
from functools import cached_property
from time import time

from lm.conversation import Template
from lm.generation import Sampling
from lm.serve.api.refusal import Refusal
from lm.serve.engine import Engine
from lm.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may ask for.

    Args:
        body: Bytes of a request.
        choices: Texts of one request: its prompts times `n`.
        stops: Strings that end a text.
        max_tokens: Tokens of one text; None for what the context holds.
        timeout: Seconds in which a request must have arrived, and again in which it must be answered.
    """

    body: int = 4_000_000
    choices: int = 128
    stops: int = 16
    max_tokens: int | None = None
    timeout: float = 600.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """A model with what belongs to it.

    Args:
        name: Its id in requests, as instruct/default.
        path: Where it was read from, by which requests may name it too.
        engine: What generates.
        tokenizer: Its tokenizer.
        template: How it writes conversations; None for a model that was not tuned on them.
        sampling: How tokens are chosen where a request does not say.
        context: Tokens that it sees at once.
        vocab_size: Number of its token ids.
        fingerprint: Hash of what it was read from.
        created: When it was opened, in seconds since 1970.
    """

    name: str
    path: str
    engine: Engine
    tokenizer: Tokenizer
    template: Template | None
    sampling: Sampling
    context: int
    vocab_size: int
    fingerprint: str
    created: int = field(default_factory=lambda: int(time()))

    @property
    def system_fingerprint(self) -> str:
        """Its fingerprint as answers have it."""
        return f"fp_{self.fingerprint[:12]}"

    @cached_property
    def longest_token(self) -> int:
        """Bytes of the longest token, by which a text that cannot fit is known before it is encoded; 0 for unknown."""
        return int(self.tokenizer.token_bytes.max()) if self.tokenizer.exact else 0

    def describe(self) -> dict:
        """Its entry in the list of models."""
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "lm",
            "max_model_len": self.context,
            "vocab_size": self.vocab_size,
            "chat": self.template is not None,
            "fingerprint": self.fingerprint,
            "sampling": vars(self.sampling),
        }


class Models:
    """The models of a server, found by what requests call them.

    Args:
        served: The models, the one that answers where a request names none first.
    """

    def __init__(self, *served: Served) -> None:
        self.served = served

    def find(self, name: str | None) -> Served:
        """Return the model of a name, of the last part of one that no other has, or of a path; the first for None.

        Raises:
            Refusal: There is no such model.
        """
        if name is None:
            return self.served[0]
        for known in ("name", "path"):
            if found := [each for each in self.served if getattr(each, known) == name]:
                return found[0]
        found = [each for each in self.served if each.name.endswith(f"/{name}")] if name else []
        if len(found) == 1:
            return found[0]
        names = ", ".join(each.name for each in self.served)
        raise Refusal(
            f"there is no model {name[:100]!r} here: the server has {names}",
            status=404,
            param="model",
            code="model_not_found",
        )
