"""The text as a tokenizer reads it, and added tokens that would read it inexactly."""

import json
import re
from collections.abc import Mapping
from typing import Any

import tokenizers

from lm.tokenizer.byte_alphabet import BLANK


class Reader:
    """Normalize texts as `tokenizers` does before it encodes them.

    Added tokens of plain text that are not normalized are found first; the texts between them are normalized one by
    one.

    Args:
        backend: The tokenizer.
        blanks: Whether entries write a space as ▁, which may be the work of the pre-tokenizer.
    """

    def __init__(self, backend: tokenizers.Tokenizer, *, blanks: bool):
        self._normalizer, self._pre_tokenizer, self._blanks = backend.normalizer, backend.pre_tokenizer, blanks
        verbatim = [token for token in backend.get_added_tokens_decoder().values() if not token.normalized]
        self._plain = {token.content: token.single_word for token in verbatim if not token.special}
        longest_first = sorted((token.content for token in verbatim), key=len, reverse=True)
        self._verbatim = re.compile("|".join(map(re.escape, longest_first)), re.DOTALL) if self._plain else None

    @property
    def exact(self) -> bool:
        """Whether texts are read as they are."""
        return self._normalizer is None and not self._blanks

    def __call__(self, text: str) -> str:
        """Return the text as it is read, with spaces in place of ▁."""
        parts, start = [], 0
        for match in self._verbatim.finditer(text) if self._verbatim and self._normalizer else ():
            if match[0] in self._plain and not (self._plain[match[0]] and _within_word(text, *match.span())):
                parts += [self._normalize(text[start : match.start()]), match[0]]
                start = match.end()
        read = "".join([*parts, self._normalize(text[start:])])
        if self._blanks:
            if self._pre_tokenizer is not None:
                read = "".join(piece for piece, _ in self._pre_tokenizer.pre_tokenize_str(read))
            read = read.replace(BLANK, " ")
        return read

    def _normalize(self, text: str) -> str:
        return self._normalizer.normalize_str(text) if self._normalizer and text else text


def _within_word(text: str, start: int, stop: int) -> bool:
    return bool(re.search(r"\w\Z", text[:start][-1:]) or re.match(r"\w", text[stop : stop + 1]))


def added_texts(backend: tokenizers.Tokenizer) -> dict[str, str]:
    """Return texts that contain each added token of plain text at the start, doubled, beside blanks and at the end.

    Raises:
        ValueError: An added token swallows the blanks beside it.
    """
    texts = {}
    for token in backend.get_added_tokens_decoder().values():
        if token.special:
            continue
        if strips := [name for name in ("lstrip", "rstrip") if getattr(token, name)]:
            raise ValueError(
                f"the added token {token.content!r} swallows the blanks beside it, so texts are not given back: in "
                f'added_tokens, set "{strips[0]}": false for it, or "special": true, which keeps it out of texts'
            )
        texts[token.content] = token.content.join(["", "a ", " ", "", "b", "\n", ""])
    return texts


def without_first_prefix(description: Mapping[str, Any]) -> tokenizers.Tokenizer | None:
    """Return what encodes texts within a conversation, if a space stands at its very beginning only; else None."""
    spelled = json.dumps(description["pre_tokenizer"])
    if '"prepend_scheme": "first"' not in spelled:
        return None
    never = json.loads(spelled.replace('"prepend_scheme": "first"', '"prepend_scheme": "never"'))
    backend = tokenizers.Tokenizer.from_str(json.dumps({**description, "pre_tokenizer": never}))
    backend.encode_special_tokens = True
    backend.no_padding()
    backend.no_truncation()
    return backend
