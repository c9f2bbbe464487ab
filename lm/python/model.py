"""A trained or published model, to generate with, to talk to and to measure text by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, overload

from lm.conversation import Message, RecordedTemplate, Template, has_recorded_template
from lm.conversation.conversation import ROLES
from lm.evaluation.scorer import Likelihood, Request, Scorer
from lm.generation import Generator, Sampling
from lm.generation.generator import random_generator
from lm.hub import local_folder
from lm.interchange import open_model
from lm.interchange.huggingface import DTYPES
from lm.jobs.chat import Chat
from lm.jobs.generate import note_what_is_not_read
from lm.model import Transformer
from lm.progress import Console
from lm.tokenizer import Tokenizer, load_tokenizer

if TYPE_CHECKING:
    from lm.python.jobs import FinishedRun


class Options(TypedDict, total=False):
    """The options of `Model.generate`, for type checkers."""

    max_tokens: int
    temperature: float
    top_k: int | None
    top_p: float
    repetition_penalty: float
    stop: str | Sequence[str]
    seed: int


CHECKPOINTS = ("best", "last", "stable")
Turn = Message | Mapping[str, str]  # a mapping has role and content
Talk = str | Sequence[Turn]  # what a user says, or a conversation whose last turn is a user's


@dataclass(frozen=True)
class TokenScore:
    """How likely a token of a text is.

    Args:
        token: Its id.
        text: Its characters; � for bytes that form no whole character.
        log_probability: Natural logarithm of its probability after the tokens before it.
        most_likely: Whether no token is more likely there.
    """

    token: int
    text: str
    log_probability: float
    most_likely: bool


class Model:
    """A model with its tokenizer and its chat template.

    Args:
        network: The network, in evaluation mode.
        tokenizer: Its tokenizer.
        template: How conversations are written; None for a model that was not tuned on any.
        name: Where it comes from, for errors.
    """

    def __init__(
        self, network: Transformer, tokenizer: Tokenizer, template: Template | None, *, name: str = "the model"
    ):
        self.network, self.tokenizer, self.template, self.name = network, tokenizer, template, name
        self._generator = Generator(network, tokenizer)

    def __repr__(self) -> str:
        count = sum(weight.numel() for weight in self.network.parameters())
        kind = "tuned on conversations" if self.template else "not tuned on conversations"
        return f"Model({self.name!r}: {count / 1e6:.2f} M parameters, context {self.network.context}, {kind})"

    @property
    def context(self) -> int:
        """Tokens that the model sees at once."""
        return self.network.context

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without special tokens."""
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is {type(text).__name__}, not a text: give a str")
        return self.tokenizer.encode(text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids; special tokens have none."""
        return self.tokenizer.decode(tokens)

    @overload
    def generate(self, prompt: str = "", *, samples: Literal[1] = 1, **options: Unpack[Options]) -> str: ...

    @overload
    def generate(self, prompt: str | Sequence[str], *, samples: int = 1, **options: Unpack[Options]) -> list[str]: ...

    def generate(
        self,
        prompt: str | Sequence[str] = "",
        *,
        max_tokens: int = 200,
        samples: int = 1,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float = 0.95,
        repetition_penalty: float = 1.0,
        stop: str | Sequence[str] = (),
        seed: int = 0,
    ) -> str | list[str]:
        """Continue a prompt, or several as one batch. A continuation depends on its prompt and the seed alone.

        Args:
            prompt: Text to continue, or a list of texts; "" begins a new document.
            max_tokens: Maximum number of tokens of a continuation.
            samples: Number of continuations of each prompt.
            temperature: Divisor of the logits; 0 takes the most likely token.
            top_k: Number of most likely tokens to keep; None keeps all.
            top_p: Probability that the most likely tokens must reach together; 1 keeps all.
            repetition_penalty: Factor on logits of tokens that a row already contains; 1 is none.
            stop: Strings that end a continuation, and are not part of it.
            seed: Seed of the random draws.

        Returns:
            The continuation of one prompt; a list for several prompts or samples, those of a prompt side by side.
        """
        if samples < 1:
            raise ValueError(f"samples {samples} is not at least 1: try samples=1")
        prompts = _texts(prompt)
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=repetition_penalty)
        tokens = [self._prompt(text) for text in prompts]
        note_what_is_not_read(tokens, self.context)
        completions = self._generator.generate(
            [each for each in tokens for _ in range(samples)],
            sampling=sampling,
            max_tokens=max_tokens,
            stop=_strings(stop),
            generators=[random_generator(seed, sample) for _ in prompts for sample in range(samples)],
        )
        texts = [completion.text for completion in completions]
        return texts[0] if isinstance(prompt, str) and samples == 1 else texts

    def chat(
        self,
        messages: Talk,
        *,
        system: str | None = None,
        max_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float = 0.95,
        repetition_penalty: float = 1.0,
        stop: str | Sequence[str] = (),
        seed: int = 0,
    ) -> str:
        """Return the answer to a message or a conversation, in the template that the model was tuned in.

        It is the answer of `lm chat`: of a conversation that outgrows the context the oldest turns are left out, the
        system turn stays, and a line on the error stream says so.

        Args:
            messages: What the user says, or turns with role and content, the last one the user's.
            system: System text in front; None for none.
            max_tokens: Maximum number of tokens of the answer.
            temperature: Divisor of the logits; 0 takes the most likely token.
            top_k: Number of most likely tokens to keep; None keeps all.
            top_p: Probability that the most likely tokens must reach together; 1 keeps all.
            repetition_penalty: Factor on logits of tokens that the conversation already contains; 1 is none.
            stop: Strings that end the answer, and are not part of it.
            seed: Seed of the random draws.

        Raises:
            ValueError: The model was not tuned on conversations, or the system text leaves no room for a question.
        """
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=repetition_penalty)
        turns = _turns(messages, system)
        pieces = self._reply(turns, sampling=sampling, max_tokens=max_tokens, stop=_strings(stop), seed=seed)
        return self.template.content("".join(pieces), self.tokenizer)

    def stream(
        self,
        prompt: Talk,
        *,
        max_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float = 0.95,
        repetition_penalty: float = 1.0,
        stop: str | Sequence[str] = (),
        seed: int = 0,
    ) -> Iterator[str]:
        """Yield a continuation of a text, or the answer to a conversation, in pieces of whole characters.

        Args:
            prompt: Text to continue; or turns with role and content, to answer.
            max_tokens: Maximum number of tokens.
            temperature: Divisor of the logits; 0 takes the most likely token.
            top_k: Number of most likely tokens to keep; None keeps all.
            top_p: Probability that the most likely tokens must reach together; 1 keeps all.
            repetition_penalty: Factor on logits of tokens that the prompt already contains; 1 is none.
            stop: Strings that end the continuation, and are not part of it.
            seed: Seed of the random draws.
        """
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=repetition_penalty)
        if not isinstance(prompt, str):
            turns = _turns(prompt, None)
            return self._reply(turns, sampling=sampling, max_tokens=max_tokens, stop=_strings(stop), seed=seed)
        tokens = self._prompt(prompt)
        note_what_is_not_read([tokens], self.context)
        return self._generator.stream(tokens, sampling=sampling, max_tokens=max_tokens, stop=_strings(stop), seed=seed)

    def logprobs(self, text: str, *, after: str = "") -> list[TokenScore]:
        """Return how likely each token of a text is.

        Args:
            text: The text.
            after: Text in front, which is read and not scored; "" for the beginning of a document.
        """
        ids = self.encode(text)
        likelihood = self._likelihoods([text], after=after)[0]
        pairs = zip(ids, likelihood.nats, likelihood.ranked_first, strict=True)
        return [TokenScore(token, self.decode([token]), -nats, first) for token, nats, first in pairs]

    def bits_per_byte(self, text: str | Sequence[str]) -> float:
        """Return the bits that the model needs for each byte of a text, or of several texts together.

        Raises:
            ValueError: There is no text.
        """
        texts = _texts(text)
        nats = sum(sum(each.nats) for each in self._likelihoods(texts))
        if not any(texts):
            raise ValueError("there is no text to measure: give at least one character")
        return nats / sum(len(each.encode("utf-8", "surrogatepass")) for each in texts) / log(2)

    def _likelihoods(self, texts: Sequence[str], after: str = "") -> list[Likelihood]:
        before = [self.tokenizer.beginning, *self.encode(after)]
        return Scorer(self.network)([Request(tuple(before), tuple(self.encode(text))) for text in texts])

    def _prompt(self, text: str) -> list[int]:
        return [*self.tokenizer.opening, *self.encode(text)]

    def _reply(
        self, turns: list[Message], *, sampling: Sampling, max_tokens: int, stop: Sequence[str], seed: int
    ) -> Iterator[str]:
        """The answer to a conversation in pieces."""
        if self.template is None:
            raise ValueError(
                f"{self.name} was not tuned on conversations: generate continues a text; "
                f"lm instruct model.path={self.name} tunes it"
            )
        if not turns or turns[-1].role != "user":
            raise ValueError("the last message of a conversation to answer is the user's")
        if max_tokens == 0:
            return iter(())
        chat = Chat(
            self._generator, template=self.template, sampling=sampling, max_tokens=max_tokens, stop=stop, seed=seed
        )
        chat.take(turns[:-1])
        return _noting(chat, chat.reply(turns[-1].content))


def load(
    path: "str | Path | FinishedRun",
    *,
    which: Literal["best", "last", "stable"] = "best",
    dtype: Literal["float32", "bfloat16", "float16"] | None = None,
) -> Model:
    """Open a model.

    Args:
        path: Directory of a run, as outputs/instruct/default; what `lm.run` returned; the folder of a published model;
            or `hub:org/name`, which is downloaded.
        which: Checkpoint of a run: best by validation, last, or stable.
        dtype: Type of the weights of a published model; None keeps that of its files.

    Raises:
        ValueError: There is no model at the path, or one that cannot be read.
    """
    place = getattr(path, "directory", path)
    if place is None:
        raise ValueError("this job has no run to load a model from: give a run of pretrain, instruct or align")
    for name, value, known in (("which", which, CHECKPOINTS), ("dtype", dtype, (None, *DTYPES))):
        if value not in known:
            raise ValueError(f"{name}={value!r} is not one of {', '.join(map(str, known))}")
    source = open_model(str(place), which=which, dtype=dtype)
    folder = local_folder(str(place))
    tokenizer = load_tokenizer(folder)
    template = RecordedTemplate(str(folder)).resolve(None) if has_recorded_template(folder) else None
    return Model(source.build(vocab_size=tokenizer.vocab_size), tokenizer, template, name=str(place))


def _turns(messages: Talk, system: str | None) -> list[Message]:
    turns = [Message("user", messages)] if isinstance(messages, str) else [_turn(each) for each in messages]
    return [Message("system", system), *turns] if system else turns


def _turn(given: Turn) -> Message:
    if isinstance(given, Message):
        return given
    if not isinstance(given, Mapping) or not isinstance(given.get("content"), str) or given.get("role") not in ROLES:
        raise ValueError(f'{given!r} is not a turn: write {{"role": "user", "content": "…"}}, of {", ".join(ROLES)}')
    return Message(given["role"], given["content"])


def _noting(chat: Chat, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces of a reply, after a line on what its prompt had to leave out."""
    noted = False
    for piece in pieces:
        if chat.note and not noted:
            Console("chat").warn(f"note: {chat.note}")
            noted = True
        yield piece


def _texts(given: str | Sequence[str]) -> list[str]:
    """The texts; each is checked when it is encoded."""
    return [*given] if isinstance(given, list | tuple) else [given]


def _strings(stop: str | Sequence[str]) -> list[str]:
    return [stop] if isinstance(stop, str) else [*stop]
