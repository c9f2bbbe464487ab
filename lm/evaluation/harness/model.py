"""A model as lm-evaluation-harness asks it: likelihoods, rolling likelihoods and generated texts, from strings."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm.conversation import Message, Template
from lm.evaluation.join import harness
from lm.evaluation.scorer import Request, Scorer
from lm.evaluation.text_loss import windows_of
from lm.generation import Generator, Sampling
from lm.generation.generator import random_generator
from lm.model import Transformer
from lm.progress import bar
from lm.tokenizer import Tokenizer

LONGEST = 256  # tokens of a reply, where a task does not say: the harness's own
KNOWN = {"until", "do_sample", "temperature", "top_p", "top_k", "max_gen_toks", "max_new_tokens", "max_length"}


class HarnessModel:
    """What the harness's class `LM` asks for, on top of a `Scorer` and a `Generator`.

    The harness deals in strings. A prompt that the chat template made is remembered by its text, so that its special
    tokens stay what they are and a user's text that looks like them does not become them.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        template: The chat template; None for plain text.
        begin: Whether the token that begins a text stands in front of every prompt.
        batch_tokens: Maximum number of tokens of a forward pass that scores.
        rows: Texts generated at once.
        seed: Seed of the draws, for tasks that sample.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        *,
        template: Template | None = None,
        begin: bool = False,
        batch_tokens: int = 4096,
        rows: int = 32,
        seed: int = 0,
    ):
        self.tokenizer, self.template, self.rows, self.seed = tokenizer, template, rows, seed
        self.scorer, self.generator = Scorer(model, batch_tokens=batch_tokens), Generator(model, tokenizer)
        self.front = (tokenizer.beginning,) if begin else ()
        self.spanning = 0  # requests of which a token spanned the join of context and continuation
        self.cut = 0  # prompts that were cut on the left
        self._turns: dict[str, tuple[int, ...]] = {}

    @property
    def context(self) -> int:
        """Tokens that the model sees at once."""
        return self.scorer.model.context

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Return the log-probability of each continuation, and whether greedy decoding gives it.

        Args:
            requests: Instances of the harness; `args` are a context and a continuation.
            disable_tqdm: Ignored: the harness's own switch.
        """
        contexts: dict[str, list[int]] = {}  # each is encoded once
        for place, request in enumerate(requests):
            contexts.setdefault(request.args[0], []).append(place)
        joined: dict[int, Request] = {}
        for context, places in contexts.items():
            joined |= zip(places, self._joined(context, [requests[n].args[1] for n in places]), strict=True)
        asked = [joined[place] for place in range(len(requests))]
        self.cut += sum(len(each.context) + len(each.continuation) > self.context + 1 for each in asked)
        return [(each.log_probability, each.greedy) for each in self.scorer(asked)]

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Return the log-probability of each whole text, read in disjoint windows.

        Args:
            requests: Instances of the harness; `args` are one text.
            disable_tqdm: Ignored: the harness's own switch.
        """
        texts = [self.tokenizer.encode(request.args[0]) for request in requests]
        windows = [windows_of(ids, self.context, self.context, self.tokenizer) for ids in texts]
        found = iter(self.scorer([window for each in windows for window in each]))
        return [sum(next(found).log_probability for _ in each) for each in windows]

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Return the continuation of each prompt, up to a text that ends it.

        Args:
            requests: Instances of the harness; `args` are a prompt and a dict of options.
            disable_tqdm: Ignored: the harness's own switch.
        """
        groups: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(repr(sorted(request.args[1].items())), []).append(place)
        found: dict[int, str] = {}
        with bar(len(requests), label="evaluate", unit="texts") as progress:
            for places in groups.values():
                options = requests[places[0]].args[1]
                for start in range(0, len(places), self.rows):
                    here = places[start : start + self.rows]
                    texts = self._generated([requests[place].args[0] for place in here], options, here)
                    found |= dict(zip(here, texts, strict=True))
                    progress.update(len(here))
        return [found[place] for place in range(len(requests))]

    def apply_chat_template(self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
        """Return the prompt of a conversation as text.

        Args:
            chat_history: Turns with `role` and `content`.
            add_generation_prompt: Whether an answer follows; false if the last turn is the beginning of one.
        """
        turns = [Message(turn["role"], turn["content"]) for turn in chat_history]
        begun = "" if add_generation_prompt else turns.pop().content
        ids = self.template.prompt(turns, self.tokenizer)
        text = self.tokenizer.decode(ids)
        self._turns[text] = tuple(ids)
        return text + begun

    @property
    def tokenizer_name(self) -> str:
        """What the harness names its caches by."""
        return self.tokenizer.fingerprint

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Return what the harness records of the template.

        Args:
            chat_template: Whether one is asked for.
        """
        return str(self.template.describe()) if chat_template and self.template is not None else ""

    def _turns_of(self, text: str) -> tuple[tuple[int, ...], str] | None:
        """The ids of the turns that a prompt begins with, and what follows them; None for plain text."""
        if self.template is None:
            return None
        if text in self._turns:
            return self._turns[text], ""
        begun = max((each for each in self._turns if text.startswith(each)), key=len, default=None)
        return None if begun is None else (self._turns[begun], text[len(begun) :])

    def _joined(self, context: str, continuations: Sequence[str]) -> Sequence[Request]:
        turns = self._turns_of(context)
        if turns is not None:
            ids, rest = turns
            head = (*ids, *self.tokenizer.encode(rest)) if rest else ids
            return [Request(head, tuple(self.tokenizer.encode(each))) for each in continuations]
        joined = harness(context, continuations, tokenizer=self.tokenizer, begin=self.front)
        self.spanning += joined.spanning
        return joined.requests

    def _prompt(self, text: str, room: int) -> list[int]:
        turns = self._turns_of(text)
        if turns is None:
            ids = [*self.front, *self.tokenizer.encode(text)]
        else:
            ids = [*turns[0], *(self.tokenizer.encode(turns[1]) if turns[1] else [])]
        self.cut += len(ids) > room
        return ids[-room:]

    def _generated(self, prompts: Sequence[str], options: Mapping[str, Any], places: Sequence[int]) -> list[str]:
        sampling, stop, longest = read_options(options)
        room = self.context - longest
        room = room if room > 0 else max(1, self.context // 2)  # a longer reply forgets its beginning
        stop_tokens = None if self.template is None else self.template.stop_tokens(self.tokenizer)
        completions = self.generator.generate(
            [self._prompt(text, room) for text in prompts],
            sampling=sampling,
            max_tokens=longest,
            stop=stop,
            stop_tokens=stop_tokens,
            generators=[random_generator(self.seed, place) for place in places],
        )
        return [each.text for each in completions]


def read_options(options: Mapping[str, Any]) -> tuple[Sampling, list[str], int]:
    """Return how tokens are chosen, the texts that end a reply, and its maximum length.

    Args:
        options: `generation_kwargs` of a task of the harness.

    Raises:
        ValueError: An option means something that is not supported.
    """
    if unknown := sorted({*options} - KNOWN):
        raise ValueError(
            f"generation_kwargs of the task has {unknown[0]}, which is not supported: there is "
            f"{', '.join(sorted(KNOWN))}"
        )
    draws = options.get("do_sample", options.get("temperature", 0) > 0)
    sampling = Sampling(
        temperature=float(options.get("temperature", 1.0)) if draws else 0.0,
        top_k=options.get("top_k") or None,
        top_p=float(options.get("top_p") or 1.0),
    )
    until = options.get("until") or []
    longest = next(
        (options[key] for key in ("max_gen_toks", "max_new_tokens", "max_length") if key in options), LONGEST
    )
    return sampling, [each for each in ([until] if isinstance(until, str) else until) if each], int(longest)
