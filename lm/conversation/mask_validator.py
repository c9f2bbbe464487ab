"""Check the tokens and mask that a template wrote against the conversation."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from lm.conversation.conversation import THOUGHT_MARKS, Conversation, Message
from lm.conversation.rendered_text import BLANKS, special_pattern
from lm.conversation.template import EncodedConversation, Template
from lm.conversation.tool_calls import end_of_turn, neutral_call, unsaid
from lm.tokenizer import Tokenizer

NEUTRAL = "\ue000"  # content that is only inserted


class MaskValidator:
    """Refuse a mask that covers anything but the answers with their end tokens, and tokens that say something else.

    The expected special tokens are those that the template writes for the same turns with one neutral character as
    content. Any other one came from somebody's text, as when a user's `<|assistant|>` became a token. What an answer
    has besides what is said must be what the template writes around that character.

    Args:
        template: The template that wrote the tokens; only its prompt format and answer ending are trusted.
        tokenizer: The tokenizer they were written with.
    """

    def __init__(self, template: Template, tokenizer: Tokenizer):
        self.template, self.tokenizer = template, tokenizer
        self.ends = {*template.end_tokens(tokenizer)}
        self._names = {token: name for name, token in tokenizer.special_tokens.items()}
        self._allowed = set(template.special_tokens(tokenizer).values())
        self._roles = {token: role for role, token in tokenizer.role_tokens.items()}
        self._expected: dict[tuple, list[int]] = {}  # special tokens of turns with neutral content
        self._answers: dict[tuple, str] = {}  # answers with neutral content

    def check(self, encoded: EncodedConversation, conversation: Conversation) -> None:
        """Refuse `encoded` if it does not say exactly what `conversation` says.

        Raises:
            ValueError: What is wrong, beginning with the conversation's place and turn.
        """
        place, tokens, supervised = conversation.place, encoded.tokens, encoded.supervised
        if len(tokens) != len(supervised):
            raise ValueError(f"{place}: {len(tokens)} tokens but a mask of {len(supervised)}")
        if supervised and supervised[0]:
            raise ValueError(f"{place}: the first token is supervised, but no token before it predicts it")
        runs = [
            (in_answer, [token for token, _ in run])
            for in_answer, run in groupby(zip(tokens, supervised, strict=True), key=lambda pair: pair[1])
        ]
        turns = [number for number, message in enumerate(conversation.messages, start=1) if message.learned]
        supervised_runs = [run for in_answer, run in runs if in_answer]
        if len(supervised_runs) != len(turns):
            raise ValueError(f"{place}: {len(supervised_runs)} supervised runs for {len(turns)} answers")
        self._check_special_tokens(tokens, conversation)
        for number, (run, turn) in enumerate(zip(supervised_runs, turns, strict=True), start=1):
            self._check_answer(run, conversation, turn, f"{place}, answer {number}")
        self._check_content([run for in_answer, run in runs if not in_answer], conversation)

    def _check_answer(self, run: list[int], conversation: Conversation, turn: int, where: str) -> None:
        *content, end = run
        if end not in self.ends:
            raise ValueError(f"{where}: its end token is not supervised, so the model would never stop")
        message, written = conversation.messages[turn - 1], self.template.answer(conversation, turn, self.tokenizer)
        around = self._around(conversation, turn)
        stray = [token for token in content if token in self._names]
        if [self._names[token] for token in stray] != self._special_in(around):
            raise ValueError(f"{where}: special token {min(stray, default=None)} is supervised inside it")
        if message.calls and self.template.writes_calls:
            says = unsaid(message, written) is None
        else:
            says = _says(written, message, around)
        if self._decoded(content) not in self._spellings(written) or not says:
            text = self.tokenizer.decode(content)
            raise ValueError(f"{where}: {_shortened(text)} is supervised instead of {_shortened(message.content)}")

    def _around(self, conversation: Conversation, turn: int) -> str:
        """The answer as the template writes it with neutral content in all turns."""
        plain = _plain(conversation, calls=self.template.writes_calls)
        key = (plain.messages[:turn], repr(plain.tools))
        if key not in self._answers:
            self._answers[key] = self.template.answer(plain.up_to(turn), turn, self.tokenizer)
        return self._answers[key]

    def _special_in(self, text: str) -> list[str]:
        """The special tokens that a template writes in a text of its own."""
        special = self.template.special_tokens(self.tokenizer)
        return [piece for piece in special_pattern(special).split(text) if piece in special]

    def _decoded(self, tokens: list[int]) -> bytes:
        """The bytes of tokens within a text, special tokens spelled by their names."""
        within = next((token for token in tokens if token not in self._names), None)
        return b"".join(
            self._names[token].encode() if token in self._names else self.tokenizer.decode_bytes([token], after=within)
            for token in tokens
        )

    def _spellings(self, written: str) -> list[bytes]:
        """An answer as the tokenizer returns it, encoded on its own or also together with what stands before it."""
        blank = [written.strip(BLANKS), written.lstrip(BLANKS), written.rstrip(BLANKS)]  # of swallowing tokens
        texts = [
            self.tokenizer.normalize_within(each).encode()
            for each in [written, *(blank if self.tokenizer.swallows else [])]
        ]
        joined = [] if self.template.separates_answers else texts
        return [*(self.tokenizer.prefix_within + text for text in texts), *joined]

    def _check_special_tokens(self, tokens: list[int], conversation: Conversation) -> None:
        place, roles = conversation.place, tuple(message.role for message in conversation.messages)
        if not all(0 <= token < self.tokenizer.vocab_size for token in tokens):
            raise ValueError(f"{place}: token {max(tokens)} is not in the vocabulary of {self.tokenizer.vocab_size}")
        special = [token for token in tokens if token in self._names]
        if foreign := sorted({*special} - self._allowed):
            raise ValueError(
                f"{place}: {self._names[foreign[0]]} is not a special token for the template: lm added it to the "
                "tokenizer for which the template was written"
            )
        if special != self._expected_special_tokens(conversation):
            raise ValueError(f"{place}: its special tokens are not those of its turns ({', '.join(roles)})")
        ended = special[:-1] if tokens[-1] in self.ends else special  # the end may be the opening of a user's turn
        spoken = [role for role in _with_results([self._roles.get(token) for token in ended]) if role]
        own = ["system"] if spoken.count("system") > roles.count("system") else []  # a text of the template's own
        known = {*self.tokenizer.role_tokens, *spoken}
        missing = iter([*own, *(role if role in known else "user" for role in roles)])
        if not all(role in missing for role in spoken):
            raise ValueError(f"{place}: its role tokens are {', '.join(spoken)}, its turns {', '.join(roles)}")

    def _expected_special_tokens(self, conversation: Conversation) -> list[int]:
        """The special tokens of the same turns with neutral content."""
        plain = _plain(conversation, calls=self.template.writes_calls)
        key = (plain.messages, repr(plain.tools))
        if key not in self._expected:
            tokens = self.template.encode(plain, self.tokenizer).tokens
            self._expected[key] = [token for token in tokens if token in self._names]
        return self._expected[key]

    def _check_content(self, contexts: list[list[int]], conversation: Conversation) -> None:
        """Require the content of the other turns, in order, before the answer that follows it."""
        texts = [self.tokenizer.decode(tokens) for tokens in contexts]
        answers, at = 0, 0
        for number, message in enumerate(conversation.messages, start=1):
            if message.learned:
                answers, at = answers + 1, 0
                continue
            text = texts[answers] if answers < len(texts) else ""
            at = end_of_turn(message, text, at, normalize=self.tokenizer.normalize)
            if at < 0:
                raise ValueError(
                    f"{conversation.place}, turn {number}: the content of the {message.role} turn, "
                    f"{_shortened(message.content)}, is not among its tokens"
                )


def _with_results(roles: Sequence[str | None]) -> list[str | None]:
    """Roles by their tokens, None for another special token; system and assistant in a row open the result of a tool.

    Two openings in a row stand nowhere else: a special token ends each turn.
    """
    turns: list[str | None] = []
    for role in roles:
        if role == "assistant" and turns[-1:] == ["system"]:
            turns[-1] = "tool"
        else:
            turns.append(role)
    return turns


def _plain(conversation: Conversation, *, calls: bool) -> Conversation:
    """The same turns with neutral content, thoughts marked as they are; tool calls are content unless `calls`."""
    return replace(conversation, messages=tuple(_neutral(each, calls=calls) for each in conversation.messages))


def _neutral(message: Message, *, calls: bool) -> Message:
    content, lines = NEUTRAL, tuple(neutral_call(line, NEUTRAL) for line in message.calls if calls)
    if message.role == "assistant" and THOUGHT_MARKS.search(message.content):
        pieces = re.split(f"({THOUGHT_MARKS.pattern})", message.content)
        content = "".join(
            piece if number % 2 or not piece.strip() else piece.replace(piece.strip(), NEUTRAL)
            for number, piece in enumerate(pieces)
        )
    content = "\n".join([*([content] if message.words or not lines else []), *lines])
    return replace(message, content=content, reasoning=message.reasoning and NEUTRAL, calls=lines)


def _says(written: str, message: Message, around: str) -> bool:
    """Whether an answer says what the message does, and besides only what stands around neutral content."""
    parts = iter([*message.thoughts, *filter(None, [message.spoken])])
    expected = re.sub(NEUTRAL, lambda _: next(parts, NEUTRAL), around)
    return next(parts, None) is None and _without_blanks(written) == _without_blanks(expected)


def _without_blanks(text: str) -> str:
    return "".join(text.split())


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:40]} … {text[-15:]}")
