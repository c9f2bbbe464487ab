"""Continue prompts with a trained model."""

from collections.abc import Callable, Sequence
from itertools import chain

from lm.generation import Generator, Sampling
from lm.model import Transformer
from lm.progress import Console
from lm.tokenizer import Tokenizer


def generate(
    model: Callable[..., Transformer],
    tokenizer: Tokenizer,
    prompt: str | list[str] | None,
    sampling: Sampling,
    openings: Callable[[], list[str]] | None = None,
    max_tokens: int = 200,
    samples: int = 1,
    stop: list[str] | None = None,
    seed: int = 0,
) -> None:
    """Print each prompt with its continuation; a single one is streamed.

    Args:
        model: Where the model comes from; its path is a finished run.
        tokenizer: The model's tokenizer.
        prompt: Text to continue, or a list of texts; "" begins a new document; null takes those of `openings`.
        sampling: How tokens are chosen.
        openings: Gives the texts to continue where prompt is null, as how documents of a corpus begin; null for none.
        max_tokens: Maximum number of tokens of a continuation.
        samples: Number of continuations of each prompt.
        stop: Strings that end a continuation; they are not printed.
        seed: Seed of the random draws; each continuation has its own stream.
    """
    if samples < 1:
        raise ValueError(f"samples {samples} is not at least 1: try samples=1")
    if prompt is None:
        prompt = "" if openings is None else openings()
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not prompts:
        raise ValueError('prompt is an empty list: try prompt="Once upon a time", or prompt="" for a new document')
    generator = Generator(model(vocab_size=tokenizer.vocab_size), tokenizer)
    texts = [text for text in prompts for _ in range(samples)]
    tokens = [[*tokenizer.opening, *tokenizer.encode(text)] for text in texts]
    stop = stop or []
    note_what_is_not_read(tokens[::samples], generator.model.context)
    if len(texts) == 1:
        pieces = generator.stream(tokens[0], sampling=sampling, max_tokens=max_tokens, stop=stop, seed=seed)
        first = next(pieces, "")  # errors come before anything is printed
        for piece in chain([texts[0], first], pieces):
            print(piece, end="", flush=True)
        print()
        return
    completions = generator.generate(tokens, sampling=sampling, max_tokens=max_tokens, stop=stop, seed=seed)
    for place, (text, completion) in enumerate(zip(texts, completions, strict=True)):
        prompt_number, sample = (each + 1 for each in divmod(place, samples))
        names = [f"prompt {prompt_number} of {len(prompts)}"] * (len(prompts) > 1)
        names += [f"sample {sample} of {samples}"] * (samples > 1)
        length = f"{len(completion.tokens)} tokens, ended by {completion.reason}"
        print(f"── {', '.join(names)} ({length}) ──")
        print(text + completion.text)


def note_what_is_not_read(prompts: Sequence[Sequence[int]], context: int) -> None:
    """Say in a line of which prompts only the end fits the context."""
    for number, tokens in enumerate(prompts, 1):
        if len(tokens) > context:
            name = f"prompt {number} of {len(prompts)}" if len(prompts) > 1 else "the prompt"
            Console("generate").warn(
                f"note: {name} has {len(tokens)} tokens, more than the model's context of {context}: "
                f"the first {len(tokens) - context} are not read"
            )
