"""Writers, the models that continue prompts: the contract, and a trained model of this project."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lm.bounds import Count
from lm.generation import Generator, Sampling
from lm.model import Transformer
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Reply:
    """The continuation of one prompt.

    Args:
        text: The continuation without the stop string.
        ended: Whether it ended by itself, rather than at `max_tokens`.
        prompt_tokens: Tokens of the prompt.
        reply_tokens: Tokens that were generated.
    """

    text: str
    ended: bool
    prompt_tokens: int
    reply_tokens: int


class Writer(ABC):
    """Continues prompts."""

    @abstractmethod
    def write(self, prompts: Sequence[str], *, stop: Sequence[str], max_tokens: int, seed: int) -> list[Reply]:
        """Continue each prompt up to the first of the `stop` strings, which is left out."""

    def cost(self, prompt_tokens: int, reply_tokens: int) -> float:
        """Return the price of so many tokens; 0 if the writer has no price."""
        return 0.0


class LocalWriter(Writer):
    """A trained model from a run directory.

    Args:
        model: Where the model comes from; its path is a finished run.
        tokenizer: The model's tokenizer.
        sampling: How tokens are chosen.
        rows: Prompts that are continued side by side.
    """

    def __init__(
        self, model: Callable[..., Transformer], *, tokenizer: Tokenizer, sampling: Sampling, rows: Count = 16
    ):
        self.model, self.tokenizer, self.sampling, self.rows = model, tokenizer, sampling, rows
        self._generator: Generator | None = None

    def write(self, prompts: Sequence[str], *, stop: Sequence[str], max_tokens: int, seed: int) -> list[Reply]:
        if self._generator is None:
            self._generator = Generator(self.model(vocab_size=self.tokenizer.vocab_size), self.tokenizer)
        context = self._generator.model.context
        tokens = [[*self.tokenizer.opening, *self.tokenizer.encode(prompt)] for prompt in prompts]
        if (longest := max(map(len, tokens), default=0)) >= context:
            raise ValueError(
                f"a prompt of {longest} tokens does not fit into the context of {context}: fewer examples in each "
                "(rounds.examples), shorter seed tasks, or a model with a longer context"
            )
        replies: list[Reply] = []
        for start in range(0, len(tokens), self.rows):
            batch = tokens[start : start + self.rows]
            completions = self._generator.generate(
                batch, sampling=self.sampling, max_tokens=max_tokens, stop=list(stop), seed=seed * 1_000_003 + start
            )
            replies += [
                Reply(completion.text, completion.reason != "length", len(prompt), len(completion.tokens))
                for prompt, completion in zip(batch, completions, strict=True)
            ]
        return replies
