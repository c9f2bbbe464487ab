"""Chat with a trained model in the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

from lm.conversation import Message, RecordedTemplate, Template
from lm.generation import Generator, Sampling
from lm.jobs.chat_input import HELP, as_utf8, next_entry, open_input
from lm.model import Transformer
from lm.process.signals import forget_signals
from lm.tokenizer import Tokenizer


class Chat:
    """A conversation with a model. When it outgrows the context, the oldest turns are dropped; the system turn stays.

    Args:
        generator: The model with its tokenizer.
        template: How turns are written as tokens.
        sampling: How tokens are chosen.
        system: System text before the first turn; None for no system turn.
        max_tokens: Maximum number of tokens of a reply.
        seed: Seed of the random draws of the first reply; each reply has its own.

    Raises:
        ValueError: The system turn leaves no room for a question.
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
        self.note = ""  # what the last prompt had to leave out
        context = generator.model.context
        self.max_prompt = context - min(max_tokens, context // 2)  # tokens, which leave a reply room
        shortest = len(template.prompt([*self.opening, Message("user", "")], generator.tokenizer))
        if shortest > self.max_prompt:
            raise ValueError(
                f"system and its special tokens take {shortest} tokens, but of the model's context of {context} a "
                f"prompt may take {self.max_prompt}: shorten it, or lower max_tokens ({max_tokens})"
            )

    def reset(self) -> None:
        """Start a new conversation."""
        self.turns = []

    def reply(self, content: str) -> Iterator[str]:
        """Yield the model's answer in pieces. If the caller stops early, what came so far is kept as the turn."""
        self.turns.append(Message("user", content))
        prompt = self._fit()
        received: list[str] = []
        try:
            for piece in self.generator.stream(
                prompt,
                sampling=self.sampling,
                max_tokens=self.max_tokens,
                stop_tokens=self.template.stop_tokens(self.generator.tokenizer),
                seed=self.seed + len(self.turns),
            ):
                received.append(piece)
                yield piece
        finally:
            content = self.template.content("".join(received), self.generator.tokenizer)
            self.turns.append(Message("assistant", content))

    def _fit(self) -> list[int]:
        """The prompt, shortened until a reply has room: first by the oldest turns, then by the start of the last."""
        before, self.note = len(self.turns), ""
        prompt = self._prompt()
        while len(prompt) > self.max_prompt and len(self.turns) > 1:
            self.turns = self.turns[2:]  # a question and its answer
            prompt = self._prompt()
        if len(self.turns) < before:
            self.note = f"{before - len(self.turns)} earlier turns no longer fit into the context and were dropped"
        if len(prompt) > self.max_prompt:
            tokenizer = self.generator.tokenizer
            tokens = tokenizer.encode(self.turns[-1].content)[len(prompt) - self.max_prompt :]
            self.turns[-1] = Message("user", tokenizer.decode(tokens).lstrip("\N{REPLACEMENT CHARACTER}"))
            self.note = "the beginning of your message does not fit into the context and was dropped"
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
    questions: Callable[[], list[str]] | None = None,
    system: str | None = None,
    max_tokens: int = 200,
    seed: int = 0,
    recorded: RecordedTemplate | None = None,
) -> None:
    """Answer one message, or what is typed, pasted or piped in.

    Args:
        model: Where the model comes from; its path is a finished run.
        tokenizer: The model's tokenizer.
        sampling: How tokens are chosen.
        template: How turns are written as tokens; null takes the recorded template.
        message: Message to answer once; null reads messages from the terminal, or each line of a pipe. A line of three
            double quotes begins and ends a message of several lines.
        questions: Gives the messages to answer where message is null, each in a conversation of its own, as in a
            pipeline; null for none.
        system: System text before the first turn; null for none.
        max_tokens: Maximum number of tokens of a reply.
        seed: Seed of the random draws.
        recorded: The template that the model's run recorded.
    """
    recorded = recorded or RecordedTemplate(None)
    conversation = Chat(
        Generator(model(vocab_size=tokenizer.vocab_size), tokenizer),
        template=recorded.resolve(template),
        sampling=sampling,
        system=system,
        max_tokens=max_tokens,
        seed=seed,
    )
    if recorded.file is not None and not recorded.file.is_file():
        path = recorded.file.parent
        print(
            f"({path} was not trained on conversations: it continues text rather than answers. lm instruct "
            f"model.path={path} trains it to answer; lm generate model.path={path} prompt=… continues a text.)",
            file=sys.stderr,
        )
    if message is None and questions is not None:
        for asked in questions():
            print(f"you   {asked.replace(chr(10), chr(10) + '      ')}\nmodel ", end="")
            _answer(conversation, as_utf8(asked))
            conversation.reset()
        return
    if message is not None:
        _answer(conversation, as_utf8(message))
        return
    with suppress(EOFError):
        _converse(conversation)


def _converse(conversation: Chat) -> None:
    """Read and answer messages until /exit or the end of input (EOFError)."""
    read, interactive = open_input()
    if interactive:
        print("Type a message; /help lists the commands.")
    while True:
        try:
            print(end="\n" if interactive else "", flush=True)
            entry = next_entry(read)
        except KeyboardInterrupt:
            forget_signals()
            print("(quit with Ctrl-D or /exit)")
            continue
        if entry.note:
            print(f"({entry.note})", file=sys.stdout if interactive else sys.stderr)
        if entry.command and entry.text == "/exit":
            return
        if entry.command and entry.text == "/reset":
            conversation.reset()
            print("(new conversation)")
        elif entry.command:
            print(HELP)
        elif entry.text:
            print("model " if interactive else "", end="", flush=True)
            _answer(conversation, entry.text)


def _answer(conversation: Chat, content: str) -> None:
    """Print a reply as it is generated, then what its prompt had to leave out."""
    pieces = conversation.reply(content)
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
    except KeyboardInterrupt:
        forget_signals()
        pieces.close()
        print(" (stopped)")
    if conversation.note:
        print(f"({conversation.note})")
