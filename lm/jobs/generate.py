"""Continue prompts with a trained model."""

from collections.abc import Callable
from itertools import chain

from lm.generation import Generator, Sampling
from lm.model import Transformer
from lm.tokenizer import Tokenizer


def generate(
    model: Callable[..., Transformer],
    tokenizer: Tokenizer,
    prompt: str | list[str],
    sampling: Sampling,
    max_tokens: int = 200,
    samples: int = 1,
    stop: list[str] | None = None,
    seed: int = 0,
) -> None:
    """Print each prompt and what the model makes of it; one alone is printed as it is written."""
    if samples < 1:
        raise ValueError(f"samples {samples} is not at least 1: how many continuations of each prompt?")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not prompts:
        raise ValueError('prompt is an empty list: try prompt="def main():", or prompt="" for a new document')
    generator = Generator(model(vocab_size=tokenizer.vocab_size), tokenizer)
    asked = [text for text in prompts for _ in range(samples)]
    # a document begins with its mark, and what the model learnt was never without one
    tokens = [[tokenizer.end_of_document, *tokenizer.encode(text)] for text in asked]
    stop = stop or []
    if len(asked) == 1:
        pieces = generator.stream(tokens[0], sampling=sampling, max_tokens=max_tokens, stop=stop, seed=seed)
        first = next(pieces, "")  # what is refused, is refused before anything is printed
        for piece in chain([asked[0], first], pieces):
            print(piece, end="", flush=True)
        print()
        return
    completions = generator.generate(tokens, sampling=sampling, max_tokens=max_tokens, stop=stop, seed=seed)
    for number, (text, completion) in enumerate(zip(asked, completions, strict=True), 1):
        spent = f"{len(completion.tokens)} tokens, ended by {completion.reason}"
        print(f"── {number} of {len(asked)} ({spent}) ──")
        print(text + completion.text)
