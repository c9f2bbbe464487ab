"""Text that a chat_template rendered: special tokens in what people say are hidden, so the template's own are found."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from lm.conversation.template import EncodedConversation
from lm.tokenizer import Tokenizer

BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
PRIVATE = range(0xF0000, 0xFFFFE)  # characters for private use: what hidden ones become


class Disguise:
    """Spells special tokens in what people say in another way, and back: their first characters become private ones.

    A template then sees every other character as it is, and each special token in its output is its own.

    Args:
        names: Special tokens as the template spells them.
        texts: Everything that people say, so that no private character is taken which occurs there.
    """

    def __init__(self, names: Iterable[str], texts: Iterable[str]):
        said = "".join(texts)
        self._starts, firsts = _starts(tuple(names))
        free = (chr(number) for number in PRIVATE if chr(number) not in said)
        self._hidden = {first: next(free) for first in firsts}
        self._shown = str.maketrans({private: first for first, private in self._hidden.items()})

    def hide(self, text: str) -> str:
        """Return what somebody says with its special tokens hidden."""
        return self._starts.sub(lambda found: self._hidden[found[0]], text)

    def show(self, text: str) -> str:
        """Return the text with hidden special tokens spelled as they were."""
        return text.translate(self._shown)


@dataclass(frozen=True)
class Span:
    """An answer in a rendered text.

    Args:
        start: Where its prompt ends.
        end: Where its stop token ends.
        supervised: Whether it is learned.
    """

    start: int
    end: int
    supervised: bool = True


def encode_rendered(
    text: str, spans: Sequence[Span], *, special: dict[str, int], tokenizer: Tokenizer, disguise: Disguise
) -> EncodedConversation:
    """Encode rendered text: special tokens where the template wrote them, and plain text between them.

    The text between two special tokens is encoded as one, as transformers does. Where a token would reach across the
    start of an answer, its prompt and the answer are encoded separately, so that a prompt is always the prefix of its
    training row. Where the tokenizer puts a space before every text, that space replaces one that begins the text, but
    for a published model, which has both there.

    Args:
        text: The rendered text, what people say disguised.
        spans: The answers in it, in order.
        special: Special tokens that the template may write, with their ids.
        tokenizer: Encodes the text between them.
        disguise: What hides special tokens in what people say.
    """
    tokens: list[int] = []
    supervised: list[bool] = []

    def add(ids: list[int], place: int) -> None:
        learned = any(span.supervised and span.start <= place < span.end for span in spans)
        tokens.extend(ids)
        supervised.extend([learned] * len(ids))

    at, pieces = 0, special_pattern(special).split(text)
    for number, piece in enumerate(pieces):
        end = at + len(piece)
        if piece in special:
            add([special[piece]], at)
        elif piece:
            start, stop = _unswallowed(pieces, number, at, tokenizer)
            if start < stop:
                cuts = [start, *(span.start for span in spans if start < span.start < stop), stop]
                encode = tokenizer.encode_within if tokens else tokenizer.encode
                for place, ids in _encode_cut(text, cuts, tokenizer, disguise, encode):
                    add(ids, place)
        at = end
    return EncodedConversation(tokens, supervised)


def special_pattern(special: Iterable[str]) -> re.Pattern[str]:
    """Return what matches any of the special tokens, the longest first."""
    return _any_of(tuple(special))


@lru_cache(maxsize=8)
def _any_of(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")


@lru_cache(maxsize=8)
def _starts(names: tuple[str, ...]) -> tuple[re.Pattern[str], list[str]]:
    """What matches the first character of each name in a text, and these characters."""
    alternatives = "|".join(f"(?={re.escape(name)}){re.escape(name[0])}" for name in names)
    return re.compile(alternatives or "(?!)"), [*dict.fromkeys(name[0] for name in names)]


def _unswallowed(pieces: Sequence[str], number: int, at: int, tokenizer: Tokenizer) -> tuple[int, int]:
    """Where a piece at `at` begins and ends without the blanks that special tokens beside it swallow."""
    piece = pieces[number]
    before, after = (pieces[n] if 0 <= n < len(pieces) else "" for n in (number - 1, number + 1))
    kept = swallowed(piece, before=before, after=after, tokenizer=tokenizer)
    start = at + (piece.index(kept) if kept else len(piece))
    return start, start + len(kept)


def swallowed(text: str, *, before: str, after: str, tokenizer: Tokenizer) -> str:
    """Return a text without the blanks that the special tokens before and after it swallow."""
    if tokenizer.swallows.get(before, (False, False))[1]:
        text = text.lstrip(BLANKS)
    if tokenizer.swallows.get(after, (False, False))[0]:
        text = text.rstrip(BLANKS)
    return text


def _encode_cut(
    text: str, cuts: Sequence[int], tokenizer: Tokenizer, disguise: Disguise, encode: Callable[[str], list[int]]
) -> list[tuple[int, list[int]]]:
    """Encode the text between cuts: (place, ids) of each part, which never depend on later parts."""
    prefix = "" if tokenizer.is_published else tokenizer.prefix.decode()
    base, done, parts = cuts[0], [], []
    for place, end in pairwise(cuts):
        whole = encode(disguise.show(text[base:end]).removeprefix(prefix))
        if whole[: len(done)] != done:  # a token would reach across the cut
            base, done = place, []
            whole = encode(disguise.show(text[place:end]).removeprefix(prefix))
        parts.append((place, whole[len(done) :]))
        done = whole
    return parts
