"""What the bodies of both endpoints that generate have in common: their fields, and how a body is read and refused."""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from lm.generation import Sampling
from lm.serve.api.refusal import Refusal
from lm.serve.api.served import Limits, Served

SEEDS = 2**32  # of which one is drawn for a request without: small enough for numbers of JavaScript
MOST_ALTERNATIVES = 20  # as OpenAI has it in conversations
SHOWN = 60  # characters of a value in a message
KINDS = {  # of fields that may be of several
    "prompt": "a string, a list of strings, token ids or a list of lists of token ids",
    "stop": "a string or a list of strings",
    "content": "a string or a list of parts, each with a type",
    "tool_choice": "none or auto",
}


class StreamOptions(BaseModel):
    """Options of a stream; `include_usage` adds a last chunk that counts tokens."""

    model_config = ConfigDict(extra="ignore")
    include_usage: bool | None = None


class Body(BaseModel):
    """Fields of both endpoints, as OpenAI names them. Unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore")
    model: str | None = None
    n: Annotated[int, Ge(1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Ge(0)] | None = None
    top_p: Annotated[float, Gt(0), Le(1)] | None = None
    top_k: Annotated[int, Ge(-1)] | None = None
    repetition_penalty: Annotated[float, Gt(0)] | None = None
    max_tokens: Annotated[int, Ge(0)] | None = None
    max_completion_tokens: Annotated[int, Ge(0)] | None = None
    ignore_eos: bool | None = None

    def stops(self, limits: Limits) -> tuple[str, ...]:
        """The strings that end a text.

        Raises:
            Refusal: There are too many, or one is empty.
        """
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        if len(stop) > limits.stops:
            raise Refusal(f"stop has {len(stop)} strings, and at most {limits.stops} are allowed", param="stop")
        if "" in stop:
            raise Refusal("stop has an empty string, which every text contains: remove it", param="stop")
        return tuple(stop)

    def chosen(self, default: Sampling) -> Sampling:
        """How tokens are chosen: what the request says, else the server's defaults.

        Raises:
            Refusal: It is impossible.
        """
        top_k = default.top_k if self.top_k is None else self.top_k
        given = {name: getattr(self, name) for name in ("temperature", "top_p", "repetition_penalty")}
        values = {name: getattr(default, name) if value is None else value for name, value in given.items()}
        try:
            return Sampling(top_k=top_k if top_k and top_k > 0 else None, **values)
        except ValueError as error:
            message = str(error).removeprefix("sampling.")
            raise Refusal(message, param=message.partition(" ")[0]) from None

    def most(self, prompt: int, *, served: Served, limits: Limits, default: int | None, longest: int) -> int:
        """How many tokens a text may have.

        Args:
            prompt: Tokens of its prompt.
            served: The model.
            limits: Limits of the server.
            default: How many it has where the request does not say; None for what the context holds.
            longest: Tokens of the longest prompt of the request.

        Raises:
            Refusal: Prompt and text do not fit into the context.
        """
        name, asked = "max_tokens", self.max_tokens
        if self.max_completion_tokens is not None:
            if asked not in (None, self.max_completion_tokens):
                raise Refusal(
                    f"max_tokens is {asked} and max_completion_tokens {self.max_completion_tokens}, which mean the "
                    "same: give one of them",
                    param="max_tokens",
                )
            name, asked = "max_completion_tokens", self.max_completion_tokens
        room = served.context - prompt
        if asked is None:
            asked = min(room if default is None else default, limits.max_tokens or room, room)
            if asked < 1 or longest > served.context:
                raise too_long(longest, served)
            return asked
        if limits.max_tokens is not None and asked > limits.max_tokens:
            raise Refusal(f"{name} is {asked}, and this server writes at most {limits.max_tokens} tokens", param=name)
        if asked > room:
            raise Refusal(
                f"the context of {served.name} is {served.context} tokens, and {prompt} of the prompt with {name} of "
                f"{asked} are {prompt + asked}: shorten the prompt, or lower {name}",
                param=name,
                code="context_length_exceeded",
            )
        return asked

    def drawn_seed(self) -> int:
        """The seed of the request, or a fresh one, which the answer names."""
        return secrets.randbelow(SEEDS) if self.seed is None else self.seed


Read = TypeVar("Read", bound=BaseModel)
Test = Callable[[Any], bool]


def read_body(kind: type[Read], data: bytes, unsupported: Mapping[str, tuple[Test, str]]) -> Read:
    """Read the body of a request.

    Args:
        kind: What it is read as.
        data: Its bytes.
        unsupported: Field that means something this server cannot do → whether a value of it asks for nothing, and
            what there is instead.

    Raises:
        Refusal: It is not JSON, or a field has a wrong or unsupported value.
    """
    try:
        fields = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(f"the body is not JSON in UTF-8: {error}", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise Refusal('the body is not a JSON object, as {"model": …}', code="invalid_json")
    for name, (harmless, instead) in unsupported.items():
        if fields.get(name) is not None and not harmless(fields[name]):
            shown = json.dumps(fields[name])
            shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
            raise Refusal(f"{name}={shown} is not supported: {instead}", param=name, code="unsupported_parameter")
    try:
        return kind.model_validate(fields, strict=True)
    except ValidationError as error:
        raise _refused(error, fields) from None
    except RecursionError:
        raise Refusal("the body is nested too deeply", code="invalid_json") from None


def too_long(prompt: int, served: Served) -> Refusal:
    """The refusal of a prompt that leaves no room in the context."""
    return Refusal(
        f"the context of {served.name} is {served.context} tokens, and the prompt has {prompt}, which leaves no room "
        "for an answer: shorten it",
        code="context_length_exceeded",
    )


def check_fits(text: str, served: Served) -> None:
    """Refuse a text that cannot fit into the context before the time is spent to encode it."""
    longest, size = served.longest_token, len(text)  # a character has at least a byte
    if longest and size > longest * served.context:
        raise Refusal(
            f"the context of {served.name} is {served.context} tokens, and the prompt has {size:,} characters, at "
            f"least {-(-size // longest):,} tokens: shorten it",
            code="context_length_exceeded",
        )


def _refused(error: ValidationError, fields: Mapping[str, Any]) -> Refusal:
    """The first fault in words; of a field that may be of several kinds, all of them."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = _place(first["loc"], fields)
    missing = first["type"] == "missing"
    several = [n for n, each in enumerate(place) if each in KINDS and not missing]
    if several:  # pydantic has a fault of each kind
        place = place[: several[0] + 1]
    param = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place).removeprefix(".")
    message = first["msg"].removeprefix("Input should be ").replace("a valid integer", "an integer")
    if several:
        message = KINDS[place[-1]]
    wanted = "missing" if missing else f"must be {message.replace('a valid', 'a')}"
    return Refusal(f"{param}: {wanted[:300]}", param=param, code="invalid_type")


def _place(place: tuple, fields: Any) -> list[int | str]:
    """The parts of a place that are in the body, without names of alternatives; the last may be missing in it."""
    found: list[int | str] = []
    for part in place:
        if isinstance(fields, dict) and isinstance(part, str):
            if part not in fields and part != place[-1]:
                continue
            fields = fields.get(part)
            found.append(part)
        elif isinstance(fields, list) and isinstance(part, int):
            fields = fields[part]
            found.append(part)
    return found
