"""How held-out documents begin: prompts for a model from the text that it was made for."""

import re
from collections.abc import Sequence

import numpy as np

from lm.bounds import Count
from lm.corpus.shards import Shards, TokenStream
from lm.tokenizer import Tokenizer, load_tokenizer

TOKENS = 64  # of a document's beginning that are read
PARAGRAPH = 512  # tokens in which a line of a long document is expected to end
WORDS = re.compile(r"\S+(?:[^\S\n]+\S+){0,3}")  # up to four, in one line
LONGEST = 32  # characters; longer where a script or a file writes no blanks
WITHOUT_BLANKS = 12  # characters of such a text


def openings(path: str, *, count: Count = 4) -> list[str]:
    """The first words of held-out documents of a corpus; a single "", which begins a document, if none is held out.

    Of fewer, longer documents it takes lines within them.

    Args:
        path: Directory of the corpus.
        count: Number of texts, evenly spaced and by turns of each kind.
    """
    return read_openings([Shards(path, "validation")], load_tokenizer(path), count=count) or [""]


def read_openings(corpora: Sequence[Shards], tokenizer: Tokenizer, *, count: int = 4) -> list[str]:
    """The first words of up to `count` held-out documents, or lines within them, that differ in these words."""
    streams = [stream for shards in corpora for stream in shards.streams.values() if stream.documents]
    turns = -(-count // len(streams)) if streams else 0
    found: dict[str, None] = {}
    for number in range(count if streams else 0):
        turn, kind = divmod(number, len(streams))
        words = first_words(_text(streams[kind], (2 * turn + 1) / (2 * turns), tokenizer, whole=turns))
        found |= {words: None} if words else {}
    return list(found)


def first_words(text: str) -> str:
    """Up to four words of the first line with text, or some characters where there are no blanks."""
    found = WORDS.match(text.removeprefix("\ufeff").lstrip())
    words = found[0] if found else ""
    return words if len(words) <= LONGEST else words[:LONGEST].rpartition(" ")[0] or words[:WITHOUT_BLANKS]


def _text(stream: TokenStream, place: float, tokenizer: Tokenizer, *, whole: int) -> str:
    """What stands at a place from 0 to 1: the beginning of a document, if there are `whole` of them, else a line."""
    if stream.documents >= whole:
        document = int(stream.documents * place)
        return _decoded(stream, document, int(stream.bounds[document]) + 1, TOKENS, tokenizer)
    start = int(stream.tokens * place)
    document = int(np.searchsorted(stream.bounds, start, side="right")) - 1
    text = _decoded(stream, document, max(start, int(stream.bounds[document]) + 1), PARAGRAPH, tokenizer)
    return text.partition("\n")[2].strip() or text.partition(" ")[2]


def _decoded(stream: TokenStream, document: int, start: int, tokens: int, tokenizer: Tokenizer) -> str:
    ids = stream.read(start, min(int(stream.bounds[document + 1]), start + tokens))
    return tokenizer.decode(ids.tolist()).strip("\N{REPLACEMENT CHARACTER}")
