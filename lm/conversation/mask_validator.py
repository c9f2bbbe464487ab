"""What a template wrote, held against what was said."""

from itertools import groupby

from lm.conversation.conversation import Conversation, Message
from lm.conversation.template import Encoded, Template
from lm.tokenizer import Tokenizer


class MaskValidator:
    """Refuse, by place, a mask that is not just the answers and their ends of turn, or tokens that say something else.

    Of the template is taken only how an answer ends. What control tokens there should be is seen by letting it write
    the same turns with nothing in them but x: any other is one that somebody's words became, as where a user's
    `<|assistant|>` is not kept as text.
    """

    def __init__(self, template: Template, tokenizer: Tokenizer):
        self.template, self.tokenizer = template, tokenizer
        self.stop = template.stop_tokens(tokenizer)[0]
        self._special = set(tokenizer.special_tokens.values())
        self._roles = {token: role for role, token in tokenizer.role_tokens.items()}
        self._expected: dict[tuple[str, ...], list[int]] = {}

    def check(self, encoded: Encoded, conversation: Conversation) -> None:
        """Refuse what is wrong with `encoded`."""
        place, tokens, supervised = conversation.place, encoded.tokens, encoded.supervised
        if len(tokens) != len(supervised):
            raise ValueError(f"{place}: {len(tokens)} tokens but a mask of {len(supervised)}")
        if supervised and supervised[0]:
            raise ValueError(f"{place}: the first token is supervised, and nothing stands before it to predict it from")
        runs = [
            (chosen, [token for token, _ in run])
            for chosen, run in groupby(zip(tokens, supervised, strict=True), key=lambda pair: pair[1])
        ]
        answers = [message.content for message in conversation.messages if message.role == "assistant"]
        learned = [run for chosen, run in runs if chosen]
        if len(learned) != len(answers):
            raise ValueError(f"{place}: {len(learned)} supervised runs for {len(answers)} answers")
        for number, (run, answer) in enumerate(zip(learned, answers, strict=True), start=1):
            self._hold_answer(run, answer, f"{place}, answer {number}")
        self._hold_control(tokens, conversation)
        self._hold_words([run for chosen, run in runs if not chosen], conversation)

    def _hold_answer(self, run: list[int], answer: str, where: str) -> None:
        *words, end = run
        if end != self.stop:
            raise ValueError(f"{where}: its end of turn is not supervised, so it would never stop")
        if stray := self._special.intersection(words):
            raise ValueError(f"{where}: special token {min(stray)} is supervised inside it")
        written = self.template.answer(answer, self.tokenizer)
        whole = self.tokenizer.prefix + self.tokenizer.normalize(written).encode()
        said = self.tokenizer.decode_bytes(words, after=words[0] if words else None)
        if said != whole or written.strip() != answer.strip():
            told = self.tokenizer.decode(words)
            raise ValueError(f"{where}: {_short(told)} is supervised where {_short(answer)} is said")

    def _hold_control(self, tokens: list[int], conversation: Conversation) -> None:
        place, roles = conversation.place, tuple(message.role for message in conversation.messages)
        control = [token for token in tokens if token in self._special]
        if control != self._control(roles):
            raise ValueError(f"{place}: its control tokens are not those of its turns ({', '.join(roles)})")
        spoken = [self._roles[token] for token in control if token in self._roles]
        missing = iter(role if role in self.tokenizer.role_tokens else "user" for role in roles)
        if not all(role in missing for role in spoken):
            raise ValueError(f"{place}: its role tokens say {', '.join(spoken)}, its turns do not")

    def _control(self, roles: tuple[str, ...]) -> list[int]:
        """The control tokens of turns that say nothing but x."""
        if roles not in self._expected:
            plain = Conversation(tuple(Message(role, "x") for role in roles))
            tokens = self.template.encode(plain, self.tokenizer).tokens
            self._expected[roles] = [token for token in tokens if token in self._special]
        return self._expected[roles]

    def _hold_words(self, contexts: list[list[int]], conversation: Conversation) -> None:
        """What others said stands, in order, before the answer that follows it."""
        texts = [self.tokenizer.decode(tokens) for tokens in contexts]
        place, at = 0, 0
        for number, message in enumerate(conversation.messages, start=1):
            if message.role == "assistant":
                place, at = place + 1, 0
                continue
            words = self.tokenizer.normalize(message.content.strip())
            at = texts[place].find(words, at) if place < len(texts) else -1
            if at < 0:
                what = f"the words of the {message.role}, {_short(message.content)},"
                raise ValueError(f"{conversation.place}, turn {number}: {what} are not among its tokens")
            at += len(words)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:40]} … {text[-15:]}")
