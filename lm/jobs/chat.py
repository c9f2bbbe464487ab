"""Talk with a trained model in the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

from lm.conversation import Message, Recorded, Template
from lm.generation import Generator, Sampling
from lm.model import Transformer
from lm.tokenizer import Tokenizer

HELP = """/help   this list
/reset  forget the conversation
/exit   leave, as does Ctrl-D; Ctrl-C stops a reply"""


class Chat:
    """A conversation and the model that takes part in it.

    What no longer fits into the context is left out from the oldest turn on; the system's words stay.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        template: Template,
        sampling: Sampling,
        system: str | None = None,
        max_tokens: int = 200,
        seed: int = 0,
    ) -> None:
        self.generator = generator
        self.template = template
        self.sampling = sampling
        self.max_tokens = max_tokens
        self.seed = seed
        self.opening = [Message("system", system)] if system else []
        self.turns: list[Message] = []
        self.note = ""  # what the last reply could not see
        context = generator.model.context
        self.room = context - min(max_tokens, context // 2)  # tokens of a prompt that leave a reply room
        shortest = len(template.prompt([*self.opening, Message("user", "")], generator.tokenizer))
        if shortest > self.room:
            raise ValueError(
                f"system and the marks around it take {shortest} tokens, but of the model's context of "
                f"{context} a prompt may take {self.room}: shorten it, or lower max_tokens ({max_tokens})"
            )

    def reset(self) -> None:
        """Begin anew."""
        self.turns = []

    def reply(self, words: str) -> Iterator[str]:
        """The model's answer in pieces. What was said before it is broken off, is kept as said."""
        self.turns.append(Message("user", words))
        prompt = self._fit()
        said: list[str] = []
        try:
            for piece in self.generator.stream(
                prompt,
                sampling=self.sampling,
                max_tokens=self.max_tokens,
                stop_tokens=self.template.stop_tokens(self.generator.tokenizer),
                seed=self.seed + len(self.turns),
            ):
                said.append(piece)
                yield piece
        finally:
            self.turns.append(Message("assistant", "".join(said)))

    def _fit(self) -> list[int]:
        """The prompt, with room for a reply: without the oldest turns, or the start of the last one."""
        before, self.note = len(self.turns), ""
        prompt = self._prompt()
        while len(prompt) > self.room and len(self.turns) > 1:
            self.turns = self.turns[2:]  # a question and its answer
            prompt = self._prompt()
        if len(self.turns) < before:
            count = before - len(self.turns)
            self.note = f"{count} earlier turns no longer fit into the context and were left out"
        if len(prompt) > self.room:
            tokenizer = self.generator.tokenizer
            kept = tokenizer.encode(self.turns[-1].content)[len(prompt) - self.room :]
            self.turns[-1] = Message("user", tokenizer.decode(kept).lstrip("\N{REPLACEMENT CHARACTER}"))
            self.note = "the beginning of what you said does not fit into the context and was left out"
            prompt = self._prompt()
        return prompt

    def _prompt(self) -> list[int]:
        return self.template.prompt([*self.opening, *self.turns], self.generator.tokenizer)


def chat(
    model: Callable[..., Transformer],
    tokenizer: Tokenizer,
    sampling: Sampling,
    template: Template | None = None,
    message: str | None = None,
    system: str | None = None,
    max_tokens: int = 200,
    seed: int = 0,
    recorded: Recorded | None = None,
) -> None:
    """Answer `message` and leave; without one, answer every line typed or piped in.

    Turns are written in `template`, or without one as the model's run has `recorded`.
    """
    conversation = Chat(
        Generator(model(vocab_size=tokenizer.vocab_size), tokenizer),
        template=(recorded or Recorded(None)).resolve(template),
        sampling=sampling,
        system=system,
        max_tokens=max_tokens,
        seed=seed,
    )
    if message is not None:
        _answer(conversation, _whole(message))
        return
    with suppress(EOFError):
        _converse(conversation)


def _converse(conversation: Chat) -> None:
    """Read and answer until /exit, or until there is nothing more to read (EOFError)."""
    typed = sys.stdin.isatty()
    if typed:
        with suppress(ImportError):
            import readline  # noqa: F401  arrow keys and history in input(), where the platform has it
        print("Say something. /help lists what else there is.")
    while True:
        try:
            words = _whole(input("\nyou   " if typed else "")).strip()
        except KeyboardInterrupt:
            print("\n(Ctrl-D or /exit leaves)")
            continue
        if words == "/exit":
            return
        if words == "/reset":
            conversation.reset()
            print("(forgotten)")
        elif words.startswith("/"):
            print(HELP if words == "/help" else f"(there is no {words.split()[0]})\n{HELP}")
        elif words:
            print("model " if typed else "", end="", flush=True)
            _answer(conversation, words)


def _whole(text: str) -> str:
    """What was typed, with bytes that the terminal's encoding does not know read as UTF-8, or else shown as �."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _answer(conversation: Chat, words: str) -> None:
    """Print a reply as it comes, and say if it could not see everything."""
    pieces = conversation.reply(words)
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
    except KeyboardInterrupt:
        pieces.close()
        print(" (stopped)")
    if conversation.note:
        print(f"({conversation.note})")
