"""Read the body of /v1/completions: prompts as texts or token ids, to be continued."""

from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import Field

from lm.serve.api.asked import Asked
from lm.serve.api.body import MOST_ALTERNATIVES, Body, Test, check_fits, read_body
from lm.serve.api.refusal import Refusal
from lm.serve.api.served import Limits, Models, Served
from lm.serve.request import Request

DEFAULT = 16  # tokens of a text where the request does not say, as OpenAI has it
Token = Annotated[int, Ge(0)]


class CompletionBody(Body):
    """The body of /v1/completions."""

    prompt: str | list[str] | list[Token] | list[list[Token]] = Field(
        description="A text to continue, token ids, or a list of either."
    )
    logprobs: Annotated[int, Ge(0), Le(MOST_ALTERNATIVES)] | None = None
    echo: bool | None = None


def zero(value: Any) -> bool:
    """Whether a number asks for nothing."""
    return value == 0 and not isinstance(value, bool)


def empty(value: Any) -> bool:
    """Whether a value asks for nothing."""
    return not value and not isinstance(value, bool)


SHARED: dict[str, tuple[Test, str]] = {
    "frequency_penalty": (zero, "repetition_penalty is there instead"),
    "presence_penalty": (zero, "repetition_penalty is there instead"),
    "logit_bias": (empty, "leave it out"),
    "min_p": (zero, "top_p and top_k are there instead"),
    "min_tokens": (zero, "leave it out; ignore_eos=true writes max_tokens"),
    "response_format": (lambda value: value == {"type": "text"}, "answers are text; leave it out"),
}
UNSUPPORTED = {
    **SHARED,
    "best_of": (lambda value: value == 1 and not isinstance(value, bool), "n gives several texts, without a choice"),
    "suffix": (empty, "the model continues a text and does not fill gaps"),
}


def read_completion(data: bytes, *, models: Models, limits: Limits) -> Asked:
    """Return what a body of /v1/completions asks for.

    Raises:
        Refusal: It cannot be answered.
    """
    body = read_body(CompletionBody, data, UNSUPPORTED)
    served = models.find(body.model)
    prompts = _prompts(body.prompt)
    n = body.n or 1
    if len(prompts) * n > limits.choices:
        raise Refusal(
            f"{len(prompts)} prompts × n={n} are {len(prompts) * n} texts, and at most {limits.choices} are allowed",
            param="n",
        )
    encoded = [_encoded(prompt, served) for prompt in prompts]
    longest = max(map(len, encoded))
    most = [body.most(len(ids), served=served, limits=limits, default=DEFAULT, longest=longest) for ids in encoded]
    if 0 in most and not body.echo:
        raise Refusal(
            "max_tokens is 0, which leaves nothing to answer: set it, or echo=true to score the prompt",
            param="max_tokens",
        )
    check_stream_options(body)
    seed, sampling, stops = body.drawn_seed(), body.chosen(served.sampling), body.stops(limits)
    requests = [
        Request(
            prompt=ids,
            sampling=sampling,
            max_tokens=tokens,
            stop=stops,
            stop_tokens=() if body.ignore_eos else None,
            seed=seed,
            choice=place * n + number,
            alternatives=body.logprobs,
            echo=bool(body.echo) and body.logprobs is not None,
        )
        for place, (ids, tokens) in enumerate(zip(encoded, most, strict=True))
        for number in range(n)
    ]
    return Asked(
        kind="completion",
        served=served,
        requests=tuple(requests),
        n=n,
        seed=seed,
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        echoes=tuple(prompt if isinstance(prompt, str) else served.tokenizer.decode(prompt) for prompt in prompts)
        if body.echo
        else (),
    )


def check_stream_options(body: Body) -> None:
    """Refuse options of a stream where none is asked for, as OpenAI does."""
    if body.stream_options is not None and not body.stream:
        raise Refusal("stream_options is for stream=true: set it, or leave them out", param="stream_options")


def _prompts(given: Any) -> list[str] | list[list[int]]:
    """The prompts as a list."""
    if isinstance(given, str):
        return [given]
    if not given or [] in given:
        raise Refusal('prompt has an empty list: give a text, as "", or token ids', param="prompt")
    return [given] if isinstance(given[0], int) else given


def _encoded(prompt: str | list[int], served: Served) -> tuple[int, ...]:
    """The token ids of a prompt; a text begins as `lm generate` begins it."""
    tokenizer = served.tokenizer
    if isinstance(prompt, str):
        check_fits(prompt, served)
        return (*tokenizer.opening, *tokenizer.encode(prompt)) or (tokenizer.beginning,)
    check_ids(prompt, served, param="prompt")
    return tuple(prompt)


def check_ids(ids: list[int], served: Served, *, param: str) -> None:
    """Refuse token ids that the vocabulary of a model does not have.

    Args:
        ids: The ids.
        served: The model.
        param: The field that has them.
    """
    if max(ids, default=0) >= served.vocab_size:
        raise Refusal(
            f"{param} has the token id {max(ids)}, and the vocabulary of {served.name} ends at {served.vocab_size - 1}",
            param=param,
        )
