"""Tokens as the API shows them: their text, their bytes, and where they begin in a text."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lm.serve.request import Scored
from lm.tokenizer import Tokenizer

NEVER = -9999.0  # for a probability of 0, whose logarithm JSON has no number for; as OpenAI


@dataclass(frozen=True)
class Placed:
    """A token of a text.

    Args:
        scored: The token, its log-probability and alternatives.
        after: The token in front; None at the beginning.
        start: Characters of the text in front of it.
    """

    scored: Scored
    after: int | None
    start: int


class Spelling:
    """How one tokenizer's tokens are written in answers.

    Args:
        tokenizer: The tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    @cached_property
    def _names(self) -> dict[int, str]:
        return {number: name for name, number in self.tokenizer.special_tokens.items()}

    def bytes_of(self, token: int, after: int | None) -> bytes:
        """The bytes of a token; a special token has none."""
        return self.tokenizer.decode_bytes([token], after=after)

    def text(self, token: int, after: int | None) -> str:
        """The text of a token: the name of a special one; `bytes:\\xe2\\x80` where it holds no whole characters."""
        if token in self._names:
            return self._names[token]
        data = self.bytes_of(token, after)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)

    def described(self, token: int, after: int | None) -> dict:
        """A token with its id, text and bytes, which are null for a special token."""
        data = None if token in self._names else [*self.bytes_of(token, after)]
        return {"id": token, "token": self.text(token, after), "bytes": data}


class Places:
    """Where the tokens of a text begin, as they come.

    Args:
        spelling: How they are written.
        after: The token in front of the first; None if it starts the text.
        start: Characters in front of the first.
    """

    def __init__(self, spelling: Spelling, *, after: int | None = None, start: int = 0) -> None:
        self._spelling, self._after, self._start = spelling, after, start
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def place(self, scores: Sequence[Scored]) -> list[Placed]:
        """The tokens with their places."""
        placed = []
        for scored in scores:
            placed.append(Placed(scored, self._after, self._start))
            self._start += len(self._decoder.decode(self._spelling.bytes_of(scored.token, self._after)))
            self._after = scored.token
        return placed


def as_chat(placed: Sequence[Placed], spelling: Spelling) -> dict:
    """Log-probabilities as /v1/chat/completions has them."""
    return {"content": [_entry(each, spelling) for each in placed], "refusal": None}


def as_completion(placed: Sequence[Placed], spelling: Spelling) -> dict:
    """Log-probabilities as /v1/completions has them; `bytes` and `ids` are beside."""
    return {
        "tokens": [spelling.text(each.scored.token, each.after) for each in placed],
        "token_logprobs": [_finite(each.scored.log_probability) for each in placed],
        "top_logprobs": [_top(each, spelling) for each in placed],
        "text_offset": [each.start for each in placed],
        "bytes": [[*spelling.bytes_of(each.scored.token, each.after)] for each in placed],
        "ids": [each.scored.token for each in placed],
    }


def _entry(placed: Placed, spelling: Spelling) -> dict:
    scored = placed.scored
    top = [
        {**spelling.described(token, placed.after), "logprob": _finite(score)} for token, score in scored.alternatives
    ]
    own = spelling.described(scored.token, placed.after)
    return {**own, "logprob": _finite(scored.log_probability), "top_logprobs": top}


def _top(placed: Placed, spelling: Spelling) -> dict[str, float] | None:
    """The most likely tokens and the token itself, by text; of two with one text the likelier."""
    scored = placed.scored
    if scored.log_probability is None:  # the first token of a prompt
        return None
    top: dict[str, float] = {}
    for token, score in [*scored.alternatives, (scored.token, scored.log_probability)]:
        top.setdefault(spelling.text(token, placed.after), _finite(score))
    return top


def _finite(score: float | None) -> float | None:
    return None if score is None else max(score, NEVER)
