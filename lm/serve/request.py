"""What is asked of an engine, and what it answers: plain values, without HTTP, JSON or tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

from lm.generation import Sampling


class Busy(Exception):  # noqa: N818
    """The queue is full: try again later."""


class Closed(Exception):  # noqa: N818
    """The engine takes no more requests."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A prompt to continue, one choice of it.

    Args:
        prompt: Token ids, at least one; with `max_tokens` they fit into the context.
        sampling: How tokens are chosen.
        max_tokens: Maximum number of tokens to add. 0 scores the prompt, and needs `echo`.
        stop: Strings that end the text.
        stop_tokens: Token ids that end the text; None means the ends of the tokenizer.
        seed: Seed of the draws.
        choice: Number of the choice, from 0: with `seed` it decides the draws, so that neighbours change no text.
        alternatives: None for no log-probabilities; else those of each token and of this many most likely ones.
        echo: Whether the tokens of the prompt are scored too; the first has no log-probability.
    """

    prompt: Sequence[int]
    sampling: Sampling
    max_tokens: int
    stop: Sequence[str] = ()
    stop_tokens: Sequence[int] | None = None
    seed: int = 0
    choice: int = 0
    alternatives: int | None = None
    echo: bool = False


@dataclass(frozen=True)
class Scored:
    """A token and how likely the model finds it, before temperature, filters and penalties.

    Args:
        token: Its id.
        log_probability: Natural logarithm of its probability; None for the first token of a prompt.
        alternatives: The most likely tokens at its place and their log-probabilities, the most likely first.
    """

    token: int
    log_probability: float | None
    alternatives: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Update:
    """What one step added to an answer. The last one has a `reason`.

    Args:
        text: Text that is safe to show now: whole characters, no part of a stop string. It may be empty.
        tokens: Tokens that the step generated.
        scores: Those tokens with their log-probabilities; empty unless asked for.
        prompt_scores: The tokens of the prompt, in the first update of a request with `echo`.
        reason: Empty before the end; then `stop_token`, `stop_string`, `length`, `cancelled` or `failed`.
        error: What failed, in words.
    """

    text: str
    tokens: tuple[int, ...] = ()
    scores: tuple[Scored, ...] = ()
    prompt_scores: tuple[Scored, ...] = ()
    reason: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What an engine has done since its start, and what it does now.

    Args:
        slots: Requests that it can work on at once.
        running: Requests that it works on.
        waiting: Requests in the queue.
        steps: Steps that it has taken.
        requests: Requests that it accepted.
        finished: Those that came to their end.
        cancelled: Those that were cancelled.
        failed: Those that failed.
        prompt_tokens: Tokens of prompts, those found in a slot included.
        cached_prompt_tokens: Tokens of prompts that another request had read.
        generated_tokens: Tokens that were generated.
    """

    slots: int
    running: int
    waiting: int
    steps: int
    requests: int
    finished: int
    cancelled: int
    failed: int
    prompt_tokens: int
    cached_prompt_tokens: int
    generated_tokens: int


def check(request: Request, *, vocab_size: int, context: int) -> None:
    """Refuse a request that cannot be answered.

    Raises:
        ValueError: In words.
    """
    if not request.prompt:
        raise ValueError("the prompt is empty: begin with the token that begins a document")
    foreign = [token for token in request.prompt if not 0 <= token < vocab_size]
    if foreign:
        raise ValueError(f"the prompt contains token {foreign[0]}, and the vocabulary has {vocab_size}")
    if request.max_tokens < (0 if request.echo else 1):
        raise ValueError(f"max_tokens {request.max_tokens} is below 1 (0 is for a prompt that is echoed): try 200")
    if len(request.prompt) + request.max_tokens > context:
        raise ValueError(
            f"a prompt of {len(request.prompt)} tokens and max_tokens {request.max_tokens} exceed the context of "
            f"{context} tokens: shorten the prompt or lower max_tokens"
        )
    if request.alternatives is not None and not 0 <= request.alternatives <= vocab_size:
        raise ValueError(f"alternatives {request.alternatives} is not from 0 to {vocab_size}, the vocabulary")
