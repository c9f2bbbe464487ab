"""Who said what, as tokens, and which of those tokens a model is to learn to say.

Supervised are the words of the assistant and the end of its turn, nothing else. Whatever template made the
tokens, `certify` holds them against the conversation.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from lm.tokenizer import Tokenizer

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Message:
    """One turn: who speaks (system, user or assistant), and what is said."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """Turns in their order.

    `task` is what validation tells apart. Conversations that share text share a `group` and are held out
    together; "" is a group of its own. `place` says where it comes from, as `chat.jsonl:12`, for whoever has
    to mend it.
    """

    messages: tuple[Message, ...]
    task: str = ""
    group: str = ""
    place: str = "conversation"

    @property
    def key(self) -> str:
        """What it is held out by: its group, or else its first question and answer."""
        first = {message.role: message.content for message in reversed(self.messages)}
        return self.group or f"{first.get('user', '')}\n{first.get('assistant', '')}"

    def check(self) -> None:
        """Refuse what nothing right could be learned from, by place and turn."""
        if not self.messages:
            raise ValueError(f"{self.place} has no turns: leave it out")
        for number, message in enumerate(self.messages, start=1):
            where = f"{self.place}, turn {number}"
            check_turn(message, where)
            if not message.content.strip():
                word = "answer" if message.role == "assistant" else f"{message.role} turn"
                raise ValueError(f"{where}: the {word} is empty: fill it or leave it out")
            if message.role == "system" and number > 1:
                raise ValueError(f"{where}: a system turn opens a conversation or is not there: join or move it")
        if all(message.role != "assistant" for message in self.messages):
            raise ValueError(f"{self.place} has no assistant turn, so there is nothing to learn from: leave it out")


def check_turn(message: Message, where: str) -> None:
    """Refuse a turn that could not be written down."""
    if message.role not in ROLES:
        raise ValueError(f"{where}: role {message.role!r} is none of {', '.join(ROLES)}: rename it to one of them")
    if not isinstance(message.content, str):
        kind = "None" if message.content is None else type(message.content).__name__
        raise ValueError(f"{where}: the content of the {message.role} is {kind}, not text: write it out")


@dataclass(frozen=True)
class Encoded:
    """Tokens, and for each whether predicting it counts."""

    tokens: list[int]
    supervised: list[bool]


class Template(ABC):
    """How turns are written as tokens. A model must be talked to in the template that it was taught in."""

    @abstractmethod
    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> Encoded:
        """A whole conversation, to learn from."""

    @abstractmethod
    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        """The conversation so far, up to where the assistant speaks."""

    @abstractmethod
    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        """The tokens that end a reply."""


class RoleTokens(Template):
    """A token for each role opens its turn, and `<|end_of_turn|>` closes it.

        <|end_of_document|> <|user|> What is 2 + 2? <|end_of_turn|> <|assistant|> 4. <|end_of_turn|>

    The document opens as in pretraining. What is said is encoded by itself, so no word of a user becomes a
    role, and the answer begins with the same token whatever was asked.
    """

    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> Encoded:
        conversation.check()
        tokens, supervised = [tokenizer.end_of_document], [False]
        for message in conversation.messages:
            said = [*tokenizer.encode(message.content), tokenizer.end_of_turn]
            tokens += [tokenizer.role_tokens[message.role], *said]
            supervised += [False, *[message.role == "assistant"] * len(said)]
        return Encoded(tokens, supervised)

    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        tokens = [tokenizer.end_of_document]
        for number, message in enumerate(messages, start=1):
            check_turn(message, f"turn {number}")
            said = [*tokenizer.encode(message.content), tokenizer.end_of_turn]
            tokens += [tokenizer.role_tokens[message.role], *said]
        return [*tokens, tokenizer.role_tokens["assistant"]]

    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        return [tokenizer.end_of_turn, tokenizer.end_of_document]


def certify(encoded: Encoded, conversation: Conversation, tokenizer: Tokenizer) -> None:
    """Refuse, by place, a mask that is not just the answers and their ends of turn.

    Refused as well are tokens that hold a turn nobody took, as where a user's `<|assistant|>` is not kept as
    text.
    """
    place, tokens, supervised = conversation.place, encoded.tokens, encoded.supervised
    if len(tokens) != len(supervised):
        raise ValueError(f"{place}: {len(tokens)} tokens but a mask of {len(supervised)}")
    if supervised and supervised[0]:
        raise ValueError(f"{place}: the first token is supervised, and nothing stands before it to predict it from")
    runs = [
        [token for token, _ in run]
        for chosen, run in groupby(zip(tokens, supervised, strict=True), key=lambda pair: pair[1])
        if chosen
    ]
    answers = [message.content for message in conversation.messages if message.role == "assistant"]
    if len(runs) != len(answers):
        raise ValueError(f"{place}: {len(runs)} supervised runs for {len(answers)} answers")
    special = {tokenizer.end_of_document, tokenizer.padding, tokenizer.end_of_turn}
    special.update(tokenizer.role_tokens.values())
    for number, (run, answer) in enumerate(zip(runs, answers, strict=True), start=1):
        *words, end = run
        if end != tokenizer.end_of_turn:
            raise ValueError(f"{place}, answer {number}: its end of turn is not supervised, so it would never stop")
        if stray := special.intersection(words):
            raise ValueError(f"{place}, answer {number}: special token {min(stray)} is supervised inside it")
        whole = tokenizer.prefix + tokenizer.normalize(answer).encode()
        if tokenizer.decode_bytes(words, after=words[0] if words else None) != whole:
            said = tokenizer.decode(words)
            raise ValueError(f"{place}, answer {number}: {_short(said)} is supervised where {_short(answer)} is said")
    roles = {token: role for role, token in tokenizer.role_tokens.items()}
    spoken = [roles[token] for token in tokens if token in roles]
    if spoken and spoken != [message.role for message in conversation.messages]:
        raise ValueError(f"{place}: its role tokens say {', '.join(spoken)}, its turns do not")
    if (ends := tokens.count(tokenizer.end_of_turn)) > len(conversation.messages):
        raise ValueError(f"{place}: {ends} ends of turn for {len(conversation.messages)} turns")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:40]} … {text[-15:]}")
