"""How held-out documents begin: prompts for a model from the text that it was made for."""

import re
from collections.abc import Sequence

from lm.bounds import Count
from lm.corpus.shards import Shards, TokenStream
from lm.tokenizer import Tokenizer, load_tokenizer

TOKENS = 64  # of a document's beginning that are read
WORDS = re.compile(r"\S+(?:[^\S\n]+\S+){0,3}")  # up to four, in one line
LONGEST = 32  # characters; longer where a script or a file writes no blanks
WITHOUT_BLANKS = 12  # characters of such a text


def openings(path: str, *, count: Count = 4) -> list[str]:
    """The first words of held-out documents of a corpus; a single "", which begins a document, if none is held out.

    Args:
        path: Directory of the corpus.
        count: Number of documents, evenly spaced and by turns of each kind.
    """
    return read_openings([Shards(path, "validation")], load_tokenizer(path), count=count) or [""]


def read_openings(corpora: Sequence[Shards], tokenizer: Tokenizer, *, count: int = 4) -> list[str]:
    """The first words of up to `count` held-out documents that differ in them."""
    streams = [stream for shards in corpora for stream in shards.streams.values() if stream.documents]
    found: dict[str, None] = {}
    for number in range(count if streams else 0):
        stream = streams[number % len(streams)]
        turns = -(-count // len(streams))
        index = stream.documents * (2 * (number // len(streams)) + 1) // (2 * turns)
        if opening := first_words(_beginning(stream, index, tokenizer)):
            found[opening] = None
    return list(found)


def first_words(text: str) -> str:
    """Up to four words of the first line with text, or some characters where there are no blanks."""
    found = WORDS.match(text.removeprefix("\ufeff").lstrip())
    words = found[0] if found else ""
    return words if len(words) <= LONGEST else words[:LONGEST].rpartition(" ")[0] or words[:WITHOUT_BLANKS]


def _beginning(stream: TokenStream, index: int, tokenizer: Tokenizer) -> str:
    first, last = int(stream.bounds[index]) + 1, int(stream.bounds[index + 1])
    return tokenizer.decode(stream.read(first, min(last, first + TOKENS)).tolist()).rstrip("\N{REPLACEMENT CHARACTER}")
