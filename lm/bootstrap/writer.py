"""Who writes: a model of ours here, or any behind an OpenAI-compatible endpoint."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lm.bounds import Count
from lm.generation import Generator, Sampling
from lm.model import Transformer
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Written:
    """A continuation, whether it came to an end by itself, and what it took in tokens."""

    text: str
    ended: bool
    read: int
    written: int


class Writer(ABC):
    """Continues texts."""

    @abstractmethod
    def write(self, prompts: Sequence[str], *, stop: Sequence[str], max_tokens: int, seed: int) -> list[Written]:
        """A continuation of each, up to one of `stop`, which is left out."""

    @abstractmethod
    def cost(self, read: int, written: int) -> float:
        """What so many tokens cost, 0 where nobody has said."""


class LocalWriter(Writer):
    """A trained model from a run directory; `rows` prompts side by side."""

    def __init__(
        self, model: Callable[..., Transformer], *, tokenizer: Tokenizer, sampling: Sampling, rows: Count = 16
    ):
        self.model, self.tokenizer, self.sampling, self.rows = model, tokenizer, sampling, rows
        self._generator: Generator | None = None

    def write(self, prompts: Sequence[str], *, stop: Sequence[str], max_tokens: int, seed: int) -> list[Written]:
        if self._generator is None:
            self._generator = Generator(self.model(vocab_size=self.tokenizer.vocab_size), self.tokenizer)
        room = self._generator.model.context
        asked = [[self.tokenizer.end_of_document, *self.tokenizer.encode(prompt)] for prompt in prompts]
        if (longest := max(map(len, asked), default=0)) >= room:
            raise ValueError(
                f"a prompt of {longest} tokens does not fit into the context of {room}: fewer examples in each "
                "(examples=), shorter seed tasks, or a model of more context"
            )
        made: list[Written] = []
        for start in range(0, len(asked), self.rows):
            batch = asked[start : start + self.rows]
            written = self._generator.generate(
                batch, sampling=self.sampling, max_tokens=max_tokens, stop=list(stop), seed=seed * 1_000_003 + start
            )
            made += [
                Written(each.text, each.reason != "length", len(prompt), len(each.tokens))
                for prompt, each in zip(batch, written, strict=True)
            ]
        return made

    def cost(self, read: int, written: int) -> float:
        return 0.0
