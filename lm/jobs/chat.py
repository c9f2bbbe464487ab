"""Chat with a trained model in the terminal."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lm.bounds import Count
from lm.conversation import Message, RecordedTemplate, Template, has_recorded_template
from lm.generation import Generator, Sampling
from lm.jobs.chat_commands import carry_out
from lm.jobs.chat_input import HELP, as_utf8, next_entry, open_input
from lm.jobs.side_by_side import Chats, names_of, opened
from lm.model import Transformer
from lm.process.signals import forget_signals
from lm.tokenizer import Tokenizer
from lm.tools import Tool, Toolbox

RETRY = 1_000_003  # added to the seed by another try, more than a conversation has turns


class Chat:
    """A conversation with a model. When it outgrows the context, the oldest turns are dropped; the system turn stays.

    Args:
        generator: The model with its tokenizer.
        template: How turns are written as tokens.
        sampling: How tokens are chosen.
        system: System text before the first turn; None for no system turn.
        max_tokens: Maximum number of tokens of a reply; after the result of a tool the count starts again.
        seed: Seed of the random draws of the first reply; each reply has its own.
        toolbox: Tools that the model may call; None for none.
        stop: Strings that end a reply, and are not part of it.

    Raises:
        ValueError: The system turn leaves no room for a question, or the template has no turn for results of tools.
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
        toolbox: Toolbox | None = None,
        stop: Sequence[str] = (),
    ) -> None:
        self.generator = generator
        self.toolbox = toolbox
        self.stop = stop
        self.template = template
        self.sampling = sampling
        self.seed = seed
        self.retries = 0  # of the last message, each with draws of its own
        self.turns: list[Message] = []
        self.note = ""  # what the last prompt had to leave out
        if toolbox is not None:
            toolbox.check(template, generator.tokenizer)
        self.opening: list[Message] = []
        self.set_max_tokens(max_tokens)
        self.set_system(system)

    def set_max_tokens(self, count: int) -> None:
        """Set the maximum number of tokens of a reply, which leaves the rest of the context to the prompt."""
        if count is None or count < 1:
            raise ValueError(f"max_tokens {count} is not at least 1")
        context = self.generator.model.context
        self.max_tokens, self.max_prompt = count, context - min(count, context // 2)

    def set_system(self, text: str | None) -> None:
        """Set the system text; None for none. It is refused where it leaves no room for a question."""
        self.opening = [Message("system", text)] if text else []
        shortest, context = len(self._prompt([Message("user", "")])), self.generator.model.context
        if shortest > self.max_prompt:
            raise ValueError(
                f"system and its special tokens take {shortest} tokens, but of the model's context of {context} a "
                f"prompt may take {self.max_prompt}: shorten it, or lower max_tokens ({self.max_tokens})"
            )

    def reset(self) -> None:
        """Start a new conversation."""
        self.turns, self.retries = [], 0

    def take(self, messages: Sequence[Message]) -> None:
        """Continue another conversation; its system text, if it has one, replaces this one's."""
        system = [message for message in messages if message.role == "system"]
        if system:
            self.set_system(system[0].content)
        self.turns, self.retries = [message for message in messages if message.role != "system"], 0

    def reply(self, content: str) -> Iterator[str]:
        """Yield the model's answer in pieces. If the caller stops early, what came so far is kept as the turn.

        An answer that calls tools continues after their results, which are shown in lines of their own.
        """
        self.turns.append(Message("user", content))
        self.retries = 0
        yield from self._reply()

    def retry(self) -> Iterator[str]:
        """Yield another answer to the last message, in place of the one that it got.

        Raises:
            ValueError: Nothing was asked yet.
        """
        last = max((n for n, turn in enumerate(self.turns) if turn.role == "user"), default=None)
        if last is None:
            raise ValueError("there is no message to answer again")
        self.turns = self.turns[: last + 1]
        self.retries += 1
        return self._reply()

    def _reply(self) -> Iterator[str]:
        called = 0
        while True:
            yield from self._answer()
            results = self.toolbox.results(self.turns[-1].content, called=called) if self.toolbox else []
            if not results or called >= self.toolbox.max_calls:
                return
            called += len(results)
            self.turns += results
            yield "".join(f"\n({result.content})\n" for result in results)

    def _answer(self) -> Iterator[str]:
        """Yield one turn of the model in pieces, and keep it."""
        prompt = self._fit()
        received: list[str] = []
        try:
            for piece in self.generator.stream(
                prompt,
                sampling=self.sampling,
                max_tokens=self.max_tokens,
                stop=self.stop,
                stop_tokens=self.template.stop_tokens(self.generator.tokenizer),
                seed=self.seed + len(self.turns) + RETRY * self.retries,
            ):
                received.append(piece)
                yield piece
        finally:
            content = self.template.content("".join(received), self.generator.tokenizer)
            self.turns.append(Message("assistant", content))

    def _fit(self) -> list[int]:
        """The prompt, shortened until a reply has room: first by the oldest turns, then by the start of the last."""
        before, self.note = len(self.turns), ""
        prompt = self._prompt(self.turns)
        while len(prompt) > self.max_prompt and (start := self._second_question()):
            self.turns = self.turns[start:]  # a question, its answer, and what tools returned
            prompt = self._prompt(self.turns)
        if len(self.turns) < before:
            self.note = f"{before - len(self.turns)} earlier turns no longer fit into the context and were dropped"
        if len(prompt) > self.max_prompt:
            tokenizer, last = self.generator.tokenizer, self.turns[-1]
            tokens = tokenizer.encode(last.content)[len(prompt) - self.max_prompt :]
            self.turns[-1] = Message(last.role, tokenizer.decode(tokens).lstrip("\N{REPLACEMENT CHARACTER}"))
            what = "your message" if last.role == "user" else "the tool's result"
            self.note = f"the beginning of {what} does not fit into the context and was dropped"
            prompt = self._prompt(self.turns)
        return prompt

    def _second_question(self) -> int:
        """The place of the second question among the turns; 0 if there is none."""
        return next((n for n, turn in enumerate(self.turns) if n and turn.role == "user"), 0)

    def _prompt(self, turns: Sequence[Message]) -> list[int]:
        messages, tools = [*self.opening, *turns], ()
        if self.toolbox is not None:
            messages, tools = self.toolbox.shown(messages, self.template)
        return self.template.prompt(messages, self.generator.tokenizer, tools=tools)


def chat(
    model: Callable[..., Transformer],
    tokenizer: Tokenizer,
    sampling: Sampling,
    template: Template | None = None,
    beside: str | list[str] | None = None,
    message: str | None = None,
    questions: Callable[[], list[str]] | None = None,
    system: str | None = None,
    max_tokens: int = 200,
    seed: int = 0,
    recorded: RecordedTemplate | None = None,
    tools: Mapping[str, Tool] | None = None,
    max_calls: Count = 8,
) -> None:
    """Answer one message, or what is typed, pasted or piped in.

    Args:
        model: Where the model comes from; its path is a finished run.
        tokenizer: The model's tokenizer.
        sampling: How tokens are chosen.
        template: How turns are written as tokens; null takes the recorded template.
        beside: Another run, or a list of them, whose models answer the same messages with the same seed, each in the
            template and by the tokenizer of its own run; null for none.
        message: Message to answer once; null reads messages from the terminal, or each line of a pipe. A line of three
            double quotes begins and ends a message of several lines.
        questions: Gives the messages to answer where message is null, each in a conversation of its own, as in a
            pipeline; null for none.
        system: System text before the first turn; null for none.
        max_tokens: Maximum number of tokens of a reply.
        seed: Seed of the random draws.
        recorded: The template that the model's run recorded.
        tools: Tools that the model may call, by a name of yours; null for none. The template needs a tool turn.
        max_calls: Most calls of tools in one answer.
    """
    recorded = recorded or RecordedTemplate(None)
    others = [beside] if isinstance(beside, str) else beside or []
    toolbox = Toolbox([*tools.values()], max_calls=max_calls) if tools else None
    chats = Chats(
        [
            Chat(
                Generator(network, own),
                template=template,
                sampling=sampling,
                system=system,
                max_tokens=max_tokens,
                seed=seed,
                toolbox=toolbox,
            )
            for network, own, template in [
                (model(vocab_size=tokenizer.vocab_size), tokenizer, recorded.resolve(template)),
                *map(opened, others),
            ]
        ],
        names=names_of([recorded.file.parent if recorded.file else "model", *others]) if others else [],
    )
    for file in [recorded.file, *(RecordedTemplate(path).file for path in others)]:
        if file is not None and not has_recorded_template(file.parent):
            _note_untuned(file.parent)
    if message is None and questions is not None:
        for asked in questions():
            print(f"you   {asked.replace(chr(10), chr(10) + '      ')}")
            chats.answer(as_utf8(asked), label="model ")
            chats.reset()
        return
    if message is not None:
        chats.answer(as_utf8(message), label="")
        return
    with suppress(EOFError):
        _converse(chats)


def _note_untuned(path: Path) -> None:
    print(
        f"({path} was not trained on conversations: it continues text rather than answers. lm instruct "
        f"model.path={path} trains it to answer; lm generate model.path={path} prompt=… continues a text.)",
        file=sys.stderr,
    )


def _converse(chats: Chats) -> None:
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
        label = "model " if interactive else ""
        try:
            if entry.command and entry.text == "/help":
                print(HELP)
            elif entry.command and entry.text == "/retry":
                chats.answer_again(label=label)
            elif entry.command:
                print(f"({carry_out(entry.text, entry.argument, chats)})")
            elif entry.text:
                chats.answer(entry.text, label=label)
        except (ValueError, OSError) as error:
            if not entry.command:
                raise
            print(f"({entry.text}: {error})" if isinstance(error, OSError) else f"({error})")
