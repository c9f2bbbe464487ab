"""Check the tokens and mask that a template wrote against the conversation."""

from itertools import groupby

from lm.conversation.conversation import Conversation, Message
from lm.conversation.template import EncodedConversation, Template
from lm.tokenizer import Tokenizer


class MaskValidator:
    """Refuse a mask that covers anything but the answers with their end tokens, and tokens that say something else.

    The expected special tokens are those that the template writes for the same turns with "x" as content. Any other
    one came from somebody's text, as when a user's `<|assistant|>` became a token.

    Args:
        template: The template that wrote the tokens; only its prompt format and answer ending are trusted.
        tokenizer: The tokenizer they were written with.
    """

    def __init__(self, template: Template, tokenizer: Tokenizer):
        self.template, self.tokenizer = template, tokenizer
        self.stop = template.stop_tokens(tokenizer)[0]
        self._special = set(tokenizer.special_tokens.values())
        self._roles = {token: role for role, token in tokenizer.role_tokens.items()}
        self._expected: dict[tuple[str, ...], list[int]] = {}

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
        answers = [message.content for message in conversation.messages if message.role == "assistant"]
        supervised_runs = [run for in_answer, run in runs if in_answer]
        if len(supervised_runs) != len(answers):
            raise ValueError(f"{place}: {len(supervised_runs)} supervised runs for {len(answers)} answers")
        for number, (run, answer) in enumerate(zip(supervised_runs, answers, strict=True), start=1):
            self._check_answer(run, answer, f"{place}, answer {number}")
        self._check_special_tokens(tokens, conversation)
        self._check_content([run for in_answer, run in runs if not in_answer], conversation)

    def _check_answer(self, run: list[int], answer: str, where: str) -> None:
        *content, end = run
        if end != self.stop:
            raise ValueError(f"{where}: its end token is not supervised, so the model would never stop")
        if stray := self._special.intersection(content):
            raise ValueError(f"{where}: special token {min(stray)} is supervised inside it")
        written = self.template.answer(answer, self.tokenizer)
        expected = self.tokenizer.prefix + self.tokenizer.normalize(written).encode()
        decoded = self.tokenizer.decode_bytes(content, after=content[0] if content else None)
        if decoded != expected or written.strip() != answer.strip():
            text = self.tokenizer.decode(content)
            raise ValueError(f"{where}: {_shortened(text)} is supervised instead of {_shortened(answer)}")

    def _check_special_tokens(self, tokens: list[int], conversation: Conversation) -> None:
        place, roles = conversation.place, tuple(message.role for message in conversation.messages)
        special = [token for token in tokens if token in self._special]
        if special != self._expected_special_tokens(roles):
            raise ValueError(f"{place}: its special tokens are not those of its turns ({', '.join(roles)})")
        spoken = [self._roles[token] for token in special if token in self._roles]
        missing = iter(role if role in self.tokenizer.role_tokens else "user" for role in roles)
        if not all(role in missing for role in spoken):
            raise ValueError(f"{place}: its role tokens are {', '.join(spoken)}, its turns {', '.join(roles)}")

    def _expected_special_tokens(self, roles: tuple[str, ...]) -> list[int]:
        """The special tokens of turns whose content is "x"."""
        if roles not in self._expected:
            plain = Conversation(tuple(Message(role, "x") for role in roles))
            tokens = self.template.encode(plain, self.tokenizer).tokens
            self._expected[roles] = [token for token in tokens if token in self._special]
        return self._expected[roles]

    def _check_content(self, contexts: list[list[int]], conversation: Conversation) -> None:
        """Require the content of the other turns, in order, before the answer that follows it."""
        texts = [self.tokenizer.decode(tokens) for tokens in contexts]
        answers, at = 0, 0
        for number, message in enumerate(conversation.messages, start=1):
            if message.role == "assistant":
                answers, at = answers + 1, 0
                continue
            content = self.tokenizer.normalize(message.content.strip())
            at = texts[answers].find(content, at) if answers < len(texts) else -1
            if at < 0:
                raise ValueError(
                    f"{conversation.place}, turn {number}: the content of the {message.role} turn, "
                    f"{_shortened(message.content)}, is not among its tokens"
                )
            at += len(content)


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:40]} … {text[-15:]}")
