"""Tokens of a conversation as it is written, piece after piece."""

from lm.conversation.template import Encoded
from lm.tokenizer import Tokenizer


class Script:
    """What a template writes, in which only the template's own words can be control tokens.

    Text between control tokens is encoded as one, as others do who encode the whole; an answer is encoded by itself,
    so that it begins with the same token whatever was asked. Where the tokenizer puts a space before texts, that
    space is the one which the template writes there, if it does.
    """

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.tokens: list[int] = []
        self.supervised: list[bool] = []
        self._text, self._by_template, self._learned = "", False, False

    def write(self, text: str) -> None:
        """Words of the template: names of special tokens are these tokens. The first that follows an answer ends it."""
        for piece in self.tokenizer.split_special(text):
            if isinstance(piece, int):
                self._flush()
                self._append([piece])
                self._learned = False
            else:
                begins = not self._text and not self._learned
                self._text += piece.removeprefix(self.tokenizer.prefix.decode()) if begins else piece
                self._by_template = True

    def say(self, text: str) -> None:
        """Words of a user, the system or a tool, which are text whatever they are."""
        self._text += text
        self._by_template = self._by_template and not text

    def answer(self, text: str) -> None:
        """Words of the assistant, which are learned, as is all up to the next control token."""
        if self._by_template:
            self._text = self._text.removesuffix(self.tokenizer.prefix.decode())
        self._flush()
        self._text, self._learned = text, True

    def encoded(self, place: str) -> Encoded:
        """All that was written."""
        if self._learned:
            raise ValueError(f"{place}: no control token of the tokenizer follows an answer, so it would never stop")
        self._flush()
        return Encoded(self.tokens, self.supervised)

    def _flush(self) -> None:
        if self._text:
            self._append(self.tokenizer.encode(self._text))
        self._text, self._by_template = "", False

    def _append(self, tokens: list[int]) -> None:
        self.tokens += tokens
        self.supervised += [self._learned] * len(tokens)
