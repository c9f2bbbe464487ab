"""Let a model write: one prompt as a stream, or many at once.

Legend: B batch  T tokens  D dim  V vocabulary
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lm.generation.reply import Reply
from lm.generation.sampling import Sampling, choose
from lm.model import Cache, Transformer
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Completion:
    """What a model wrote, and why it stopped: `stop_token`, `stop_string` or `length`.

    `tokens` are all that were picked, the stop token and those of a stop string included; `text` has neither.
    """

    text: str
    tokens: list[int]
    reason: str


class Generator:
    """Continue prompts with a model, its cache and a tokenizer.

    A row's text depends on its prompt, the seed and its place in the list, not on its neighbours. When a row
    outgrows the context it goes on with the last half of what it held, read anew: it never stops for that,
    but forgets; keeping more would mean reading anew more often.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer) -> None:
        self.model = model
        self.tokenizer = tokenizer

    def stream(
        self,
        prompt: Sequence[int],
        *,
        sampling: Sampling,
        max_tokens: int,
        stop: Sequence[str] = (),
        stop_tokens: Sequence[int] | None = None,
        seed: int = 0,
    ) -> Iterator[str]:
        """The continuation in pieces, as it is written. `stop_tokens` None means the end of the document."""
        (reply,) = self._replies([prompt], max_tokens=max_tokens, stop=stop, stop_tokens=stop_tokens)
        for pieces in self._write([reply], sampling=sampling, seed=seed):
            yield from (piece for piece in pieces if piece)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        sampling: Sampling,
        max_tokens: int,
        stop: Sequence[str] = (),
        stop_tokens: Sequence[int] | None = None,
        seed: int = 0,
    ) -> list[Completion]:
        """A completion of each prompt, written side by side."""
        replies = self._replies(prompts, max_tokens=max_tokens, stop=stop, stop_tokens=stop_tokens)
        for _ in self._write(replies, sampling=sampling, seed=seed):
            pass
        return [Completion("".join(reply.pieces), reply.tokens, reply.reason) for reply in replies]

    def _replies(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_tokens: int,
        stop: Sequence[str],
        stop_tokens: Sequence[int] | None,
    ) -> list[Reply]:
        """Check what was asked for, and start a reply to each prompt."""
        if max_tokens < 0:
            raise ValueError(f"max_tokens {max_tokens} is below 0: try 200")
        for row, prompt in enumerate(prompts):
            strangers = [token for token in prompt if not 0 <= token < self.model.vocab_size]
            if strangers:
                raise ValueError(
                    f"prompt {row} holds token {strangers[0]}, the model's vocabulary has "
                    f"{self.model.vocab_size}: use the tokenizer the model was trained with"
                )
            if len(prompt) > self.model.context:
                warnings.warn(
                    f"prompt {row} is {len(prompt)} tokens long, the model's context {self.model.context}: "
                    "its beginning was left out",
                    stacklevel=3,
                )
        return [
            Reply(
                list(prompt) or [self.tokenizer.end_of_document],  # nothing said yet: a document begins
                context=self.model.context,
                max_tokens=max_tokens,
                stop=stop,
                stop_tokens=[self.tokenizer.end_of_document] if stop_tokens is None else stop_tokens,
                decode_bytes=self.tokenizer.decode_bytes,
            )
            for prompt in prompts
        ]

    def _write(self, replies: list[Reply], *, sampling: Sampling, seed: int) -> Iterator[list[str]]:
        """Take every reply to its end; yield the pieces of each step."""
        random = [_random(seed, row) for row in range(len(replies))]
        active = [row for row, reply in enumerate(replies) if not reply.reason]
        cache = None
        while active:
            writing = [replies[row] for row in active]
            with _inference(self.model):  # not across the yield: the mode would leak to whoever reads on
                logits, cache = self._read(writing, cache)
                seen = None if sampling.repetition_penalty == 1 else _seen(writing, logits)
                picked = choose(logits, sampling=sampling, random=[random[row] for row in active], seen=seen)
            pieces = [reply.take(token) for reply, token in zip(writing, picked.tolist(), strict=True)]
            unfinished = [place for place, reply in enumerate(writing) if not reply.reason]
            if unfinished and len(unfinished) < len(active):
                cache.select(unfinished)
            active = [active[place] for place in unfinished]
            yield pieces

    def _read(self, replies: list[Reply], cache: Cache | None) -> tuple[Tensor, Cache]:
        """Logits of each row's next token (B V): from one more token, or from all when the cache is full."""
        if cache is not None and cache.filled < cache.length:
            tokens, documents = [reply.window[-1:] for reply in replies], None
        else:
            for reply in replies:
                reply.slide()
            longest = max(len(reply.window) for reply in replies)
            room = longest + max(reply.left for reply in replies)
            cache = self.model.new_cache(len(replies), min(self.model.context, room))
            missing = [longest - len(reply.window) for reply in replies]
            tokens = [[0] * pad + reply.window for pad, reply in zip(missing, replies, strict=True)]
            documents = [[-1] * pad + [0] * (longest - pad) for pad in missing] if any(missing) else None
        device = self.model.output_weight.device
        features = self.model.hidden(
            torch.tensor(tokens, device=device),
            None if documents is None else torch.tensor(documents, device=device),
            cache,
        )  # B T D
        return F.linear(features[:, -1], self.model.output_weight), cache


def _random(seed: int, row: int) -> torch.Generator:
    """A row's own randomness. Hashed, because torch's CPU generator only looks at 32 bits of a seed."""
    digest = hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest))


def _seen(replies: list[Reply], logits: Tensor) -> Tensor:
    """Which tokens each row has held so far (B V), but for those that end it: every row has to end once."""
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for row, reply in enumerate(replies):
        seen[row, list(reply.seen.difference(reply.stop_tokens))] = True
    return seen


@contextmanager
def _inference(model: Transformer) -> Iterator[None]:
    """No dropout and no gradients; afterwards the model is as it was."""
    training = model.training
    if training:
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if training:
            model.train()
