"""Byte-level vocabularies in the files of other libraries, with the ids that they have there."""

import base64
import binascii
import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from lm.tokenizer.byte_level import to_text
from lm.tokenizer.load import completed
from lm.tokenizer.pattern import byte_level
from lm.tokenizer.tokenizer import Tokenizer


def tiktoken_tokenizer(texts: Iterable[str], *, path: str, pattern: str) -> Tokenizer:
    """The vocabulary of a .tiktoken file (plain or .gz), as OpenAI ships them, without looking at the texts.

    The file holds tokens and their ranks only: `pattern`, by which text is split first, must be the one it was made
    with. Its special tokens are not in the file; ours come after its own ids.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise ValueError(
                f"{path}:{number} is not a token in base64 and its rank: {line[:60]!r}; is this a .tiktoken file?"
            ) from None
    vocabulary = {to_text(token): rank for token, rank in ranks.items()}
    return _tokenizer(vocabulary, _merges(ranks), pattern=pattern, origin=path)


def gpt2_tokenizer(texts: Iterable[str], *, vocabulary: str, merges: str, pattern: str) -> Tokenizer:
    """The vocabulary of a pair of files, vocab.json and merges.txt, as GPT-2 has them; the texts are not looked at."""
    try:
        entries = json.loads("".join(_lines(vocabulary)))
    except ValueError as error:
        raise ValueError(f"{vocabulary} is not JSON: {error}") from None
    if not isinstance(entries, dict) or not all(isinstance(number, int) for number in entries.values()):
        raise ValueError(f"{vocabulary} is not an object of tokens and their ids: give a vocab.json")
    pairs = []
    for number, line in enumerate(_lines(merges), start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        pair = tuple(line.split())
        if len(pair) != 2 or not {*pair, "".join(pair)} <= entries.keys():
            raise ValueError(f"{merges}:{number} is not a merge of two tokens of {vocabulary}: {line[:60]!r}")
        pairs.append(pair)
    return _tokenizer(entries, pairs, pattern=pattern, origin=vocabulary)


def _tokenizer(vocabulary: Mapping[str, int], merges: list[tuple[str, str]], *, pattern: str, origin: str) -> Tokenizer:
    backend = Backend(models.BPE(dict(vocabulary), merges, ignore_merges=False))
    backend.pre_tokenizer = byte_level(pattern)
    backend.decoder = decoders.ByteLevel()
    try:
        return completed(backend.to_str(pretty=True))
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from None


def _merges(ranks: Mapping[bytes, int]) -> list[tuple[str, str]]:
    """Every pair of tokens that makes a token, in the order of what it makes.

    tiktoken merges whichever neighbours make the token of lowest rank, so every way to make one is a merge.
    """
    found = []
    for token, rank in ranks.items():
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in ranks and right in ranks:
                found.append((rank, ranks[left], ranks[right], to_text(left), to_text(right)))
    return [(left, right) for *_, left, right in sorted(found)]


def _lines(path: str) -> list[str]:
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}: give the path of a vocabulary")
    try:
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            return file.read().decode("utf-8").splitlines()
    except (ValueError, gzip.BadGzipFile):
        raise ValueError(f"{path} is not text: give the file as its library ships it") from None
