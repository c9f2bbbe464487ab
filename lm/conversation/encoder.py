"""Encode a conversation piece by piece: template text, content, supervised answers."""

from lm.conversation.rendered_text import swallowed
from lm.conversation.template import EncodedConversation
from lm.tokenizer import Tokenizer


class ConversationEncoder:
    """Collect tokens and mask while a template writes. Only the template's own text can become special tokens.

    Text between two special tokens is encoded as one string, as others do who encode the whole conversation. An
    answer is encoded separately, so its first token does not depend on the question. Where the tokenizer puts a
    space before every text, that space replaces the one that the template writes there.

    Args:
        tokenizer: Encodes the text and knows the special tokens.
    """

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.tokens: list[int] = []
        self.supervised: list[bool] = []
        self._text, self._by_template, self._in_answer, self._learned = "", False, False, False
        self._names = {token: name for name, token in tokenizer.special_tokens.items()} if tokenizer.swallows else {}

    def add_template_text(self, text: str) -> None:
        """Add the template's text; names of special tokens in it become those tokens. The first one ends an answer."""
        for piece in self.tokenizer.split_special(text):
            if isinstance(piece, int):
                self._flush(before=piece)
                self._append([piece])
                self._in_answer = False
            else:
                begins = not self._text and not self._in_answer
                self._text += piece.removeprefix(self.tokenizer.prefix_within.decode()) if begins else piece
                self._by_template = True

    def add_text(self, text: str) -> None:
        """Add what a user, system or tool says: always plain text, whatever it spells."""
        self._text += text
        self._by_template = self._by_template and not text

    def begin_answer(self, text: str, *, learned: bool = True) -> None:
        """Begin an answer with `text`: if it is learned, everything up to the next special token is supervised."""
        if self._by_template:
            self._text = self._text.removesuffix(self.tokenizer.prefix_within.decode())
        self._flush()
        self._text, self._in_answer, self._learned = text, True, learned

    def encoded(self, place: str) -> EncodedConversation:
        """Return the whole conversation.

        Raises:
            ValueError: No special token follows the last answer; `place` begins the message.
        """
        if self._in_answer:
            raise ValueError(
                f"{place}: no special token of this tokenizer follows an answer, so the model would never stop: use "
                "the template's own tokenizer, or set template.stand_ins"
            )
        self._flush()
        return EncodedConversation(self.tokens, self.supervised)

    def _flush(self, before: int | None = None) -> None:
        """Encode the text that was collected, which stands before the special token `before`."""
        if self.tokenizer.swallows:
            names = [self._names.get(token, "") for token in (self.tokens[-1] if self.tokens else None, before)]
            self._text = swallowed(self._text, before=names[0], after=names[1], tokenizer=self.tokenizer)
        if self._text:
            self._append((self.tokenizer.encode_within if self.tokens else self.tokenizer.encode)(self._text))
        self._text, self._by_template = "", False

    def _append(self, tokens: list[int]) -> None:
        self.tokens += tokens
        self.supervised += [self._in_answer and self._learned] * len(tokens)
