"""Whether a model copies from its context: what it gains on the second reading of random tokens."""

from collections.abc import Sequence
from typing import Any

import torch

from lm.bounds import Count
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.intervals import estimate
from lm.evaluation.scorer import Request, Scorer
from lm.files import hash_json
from lm.generation.generator import random_generator
from lm.model import Transformer
from lm.tokenizer import Tokenizer

COLUMNS = ("sequences", "first", "second", "gain", "95 % interval", "copied")


class CopyScore(Evaluation):
    """The loss of random tokens that stand twice, on the first and on the second reading.

    Random tokens cannot be guessed, so all that the second reading gains comes from the first one, as in-context
    learning by induction heads does (Olsson et al. 2022, arXiv:2209.11895). The first token of the second reading does
    not count: nothing announces it.

    Args:
        lengths: Numbers of tokens that are repeated; those that do not fit twice into the context are left out.
        sequences: Number of random sequences of each length.
        seed: Seed of the draws.
        batch_tokens: Maximum number of tokens of a forward pass; changes speed and memory.
    """

    def __init__(
        self,
        *,
        lengths: Sequence[int] = (8, 16, 32, 64),
        sequences: Count = 50,
        seed: int = 0,
        batch_tokens: Count = 4096,
    ):
        if not lengths or min(lengths) < 2:
            raise ValueError(f"evaluation.lengths={[*lengths]}: at least 2 tokens are repeated")
        self.lengths, self.sequences, self.seed = sorted({*lengths}), sequences, seed
        self.batch_tokens = batch_tokens

    def fingerprint(self) -> str:
        return hash_json([self.lengths, self.sequences, self.seed])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        fitting = [length for length in self.lengths if 2 * length <= model.context]
        if not fitting:
            raise ValueError(
                f"evaluation.lengths={self.lengths}: none fits twice into the context of {model.context} tokens"
            )
        special = {*tokenizer.special_tokens.values()}
        known = [n for n, size in enumerate(tokenizer.token_bytes) if size > 0 and n not in special]
        scorer = Scorer(model, batch_tokens=self.batch_tokens)
        return {f"{length}": self._score(length, known, scorer, tokenizer) for length in fitting}

    def table(self, results: dict[str, Any]) -> str:
        title = "copying, tokens"
        lines = [f"{title:<18}" + "".join(f"{name:>{max(11, len(name) + 6)}}" for name in COLUMNS)]
        for length, found in results.items():
            low, high = found["interval"]
            cells = [f"{found['sequences']}", f"{found['first']:.3f}", f"{found['second']:.3f}", f"{found['gain']:.3f}"]
            cells += [f"{low:.3f} – {high:.3f}", f"{found['copied']:.1%}"]
            sizes = [max(11, len(name) + 6) for name in COLUMNS]
            lines.append(f"{length:<18}" + "".join(f"{cell:>{size}}" for cell, size in zip(cells, sizes, strict=True)))
        return "\n".join(lines)

    def _score(self, length: int, known: Sequence[int], scorer: Scorer, tokenizer: Tokenizer) -> dict[str, Any]:
        requests = []
        for number in range(self.sequences):
            drawn = torch.randint(len(known), (length,), generator=random_generator(self.seed, length, number))
            text = tuple(known[place] for place in drawn.tolist())
            requests.append(Request((tokenizer.beginning,), text + text))
        found = scorer(requests)
        first = [sum(each.nats[1:length]) / (length - 1) for each in found]
        second = [sum(each.nats[length + 1 :]) / (length - 1) for each in found]
        gains = estimate([one - two for one, two in zip(first, second, strict=True)], share=False)
        copied = [sum(each.ranked_first[length + 1 :]) / (length - 1) for each in found]
        return {
            "sequences": self.sequences,
            "first": sum(first) / len(first),
            "second": sum(second) / len(second),
            "gain": gains.value,
            "interval": [*gains.interval],
            "copied": sum(copied) / len(copied),
        }
