"""Generate text with a model: one prompt as a stream, or many as a batch.

Legend: B batch  T tokens  D dim  V vocabulary
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from lm.generation.continuation import Continuation, seen_tokens
from lm.generation.sampling import Sampling, chosen_log_probabilities, sample_tokens
from lm.model import Cache, Transformer
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Completion:
    """A generated text.

    Args:
        text: The text, without stop token and stop string.
        tokens: All generated token ids, those of the stop token or stop string included.
        reason: Why it ended: `stop_token`, `stop_string` or `length`.
        log_probabilities: Log-probability of each token in the distribution that it was drawn from; empty unless asked
            for.
    """

    text: str
    tokens: list[int]
    reason: str
    log_probabilities: tuple[float, ...] = ()


class Generator:
    """Continue prompts with a model, its cache and a tokenizer.

    A row's text depends on its prompt, the seed and its place in the list, not on its neighbours. A row that
    outgrows the context continues from the last half of it, which is read again: generation never stops for that,
    but forgets. Keeping more would mean reading again more often.

    Args:
        model: The model; its mode, training or not, is restored after each step.
        tokenizer: The model's tokenizer.
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
        """Yield the continuation of one prompt in pieces. The arguments are those of `generate`."""
        (continuation,) = self._continuations([prompt], max_tokens=max_tokens, stop=stop, stop_tokens=stop_tokens)
        for pieces in self._run([continuation], sampling=sampling, seed=seed):
            yield from (piece for piece in pieces if piece)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        sampling: Sampling,
        max_tokens: int | Sequence[int],
        stop: Sequence[str] = (),
        stop_tokens: Sequence[int] | None = None,
        seed: int = 0,
        generators: Sequence[torch.Generator] | None = None,
        log_probabilities: bool = False,
    ) -> list[Completion]:
        """Continue each prompt, as one batch.

        Args:
            prompts: Token ids of each prompt; of one longer than the context only the end is read.
            sampling: How tokens are chosen.
            max_tokens: Maximum number of tokens of each completion, one for all or one for each.
            stop: Strings that end a completion.
            stop_tokens: Token ids that end a completion; None means the end of the document.
            seed: Seed of the random draws; each row has its own stream.
            generators: A generator of the draws of each row, in place of those that follow from seed and place.
            log_probabilities: Whether completions have the log-probabilities of their tokens.

        Returns:
            A completion of each prompt, in order.

        Raises:
            ValueError: A token is outside the model's vocabulary, or `max_tokens` is negative.
        """
        continuations = self._continuations(prompts, max_tokens=max_tokens, stop=stop, stop_tokens=stop_tokens)
        scores: list[list[float]] | None = [[] for _ in prompts] if log_probabilities else None
        for _ in self._run(continuations, sampling=sampling, seed=seed, generators=generators, scores=scores):
            pass
        return [
            Completion("".join(each.pieces), each.tokens, each.reason, tuple(scores[row]) if scores else ())
            for row, each in enumerate(continuations)
        ]

    def _continuations(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_tokens: int | Sequence[int],
        stop: Sequence[str],
        stop_tokens: Sequence[int] | None,
    ) -> list[Continuation]:
        """Check the arguments and begin a continuation of each prompt."""
        limits = [max_tokens] * len(prompts) if isinstance(max_tokens, int) else [*max_tokens]
        if min(limits, default=0) < 0 or (isinstance(max_tokens, int) and max_tokens < 0):
            raise ValueError(f"max_tokens {min(limits, default=max_tokens)} is below 0: try 200")
        for row, prompt in enumerate(prompts):
            foreign = [token for token in prompt if not 0 <= token < self.model.vocab_size]
            if foreign:
                raise ValueError(
                    f"prompt {row} contains token {foreign[0]}, but the model's vocabulary has "
                    f"{self.model.vocab_size}: use the tokenizer the model was trained with"
                )
        return [
            Continuation(
                list(prompt) or [self.tokenizer.beginning],  # an empty prompt begins a document
                context=self.model.context,
                max_tokens=limit,
                stop=stop,
                stop_tokens=self.tokenizer.ends if stop_tokens is None else stop_tokens,
                decode_bytes=self.tokenizer.decode_bytes,
            )
            for prompt, limit in zip(prompts, limits, strict=True)
        ]

    def _run(
        self,
        continuations: list[Continuation],
        *,
        sampling: Sampling,
        seed: int = 0,
        generators: Sequence[torch.Generator] | None = None,
        scores: list[list[float]] | None = None,
    ) -> Iterator[list[str]]:
        """Generate until every row has ended; yield the pieces of text of each step, and fill `scores` if given."""
        if generators is None:
            generators = [random_generator(seed, row) for row in range(len(continuations))]
        active = [row for row, continuation in enumerate(continuations) if not continuation.reason]
        cache = None
        while active:
            batch = [continuations[row] for row in active]
            with _inference(self.model):  # not across the yield: the mode would leak into the caller
                logits, cache = self._next_logits(batch, cache)
                seen = None if sampling.repetition_penalty == 1 else seen_tokens(batch, logits)
                chosen = sample_tokens(
                    logits, sampling=sampling, generators=[generators[row] for row in active], seen=seen
                )
                if scores is not None:
                    found = chosen_log_probabilities(logits, chosen, sampling=sampling, seen=seen)
                    for row, score in zip(active, found.tolist(), strict=True):
                        scores[row].append(score)
            pieces = [continuation.append(token) for continuation, token in zip(batch, chosen.tolist(), strict=True)]
            unfinished = [place for place, continuation in enumerate(batch) if not continuation.reason]
            if unfinished and len(unfinished) < len(active):
                cache.select(unfinished)
            active = [active[place] for place in unfinished]
            yield pieces

    def _next_logits(self, batch: list[Continuation], cache: Cache | None) -> tuple[Tensor, Cache]:
        """Logits of each row's next token [B, V]: from one token more, or the whole window if the cache is full."""
        if cache is not None and cache.filled < cache.length:
            return self._logits([continuation.window[-1:] for continuation in batch], None, cache), cache
        for continuation in batch:
            continuation.slide_window()
        windows = [tuple(continuation.window) for continuation in batch]
        distinct = [*dict.fromkeys(windows)]  # samples of one prompt read it once
        longest = max(map(len, distinct))
        room = min(self.model.context, longest + max(continuation.left for continuation in batch))
        unchanged = self.model.unchanged_up_to  # a text that outgrows it has other angles, by which it is read again
        if unchanged is not None:
            left = [unchanged - len(window) for window in distinct if len(window) <= unchanged]
            room = min(room, longest + min(left, default=room))
        cache = self.model.new_cache(len(distinct), room)
        missing = [longest - len(window) for window in distinct]
        tokens = [[0] * pad + [*window] for pad, window in zip(missing, distinct, strict=True)]
        documents = [[-1] * pad + [0] * (longest - pad) for pad in missing] if any(missing) else None
        logits = self._logits(tokens, documents, cache)
        if len(distinct) < len(batch):
            places = {window: place for place, window in enumerate(distinct)}
            rows = [places[window] for window in windows]
            cache.select(rows)
            logits = logits[rows]
        return logits, cache

    def _logits(self, tokens: list[list[int]], documents: list[list[int]] | None, cache: Cache) -> Tensor:
        """Logits after the last of `tokens` in each row [B, V]; the cache takes them in."""
        device = self.model.projection.weight.device
        features = self.model.hidden(
            torch.tensor(tokens, device=device),
            None if documents is None else torch.tensor(documents, device=device),
            cache,
        )  # B T D
        return self.model.projection.logits(features[:, -1])


def random_generator(*numbers: int) -> torch.Generator:
    """Return the generator of (seed, row, …). Hashed, because torch's CPU generator only uses 32 bits of a seed."""
    digest = hashlib.blake2b(":".join(map(str, numbers)).encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest))


@contextmanager
def _inference(model: Transformer) -> Iterator[None]:
    """No dropout and no gradients; afterwards the model is in its former mode."""
    training = model.training
    if training:
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if training:
            model.train()
