"""Open vocabularies of tiktoken and GPT-2 from their files, with their own ids."""

import base64
import binascii
import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers import models

from lm.tokenizer.byte_alphabet import to_text
from lm.tokenizer.load import assemble
from lm.tokenizer.tokenizer import Tokenizer


def tiktoken_tokenizer(texts: Iterable[str], *, path: str, pattern: str) -> Tokenizer:
    """Open the vocabulary of a .tiktoken file (plain or .gz), as OpenAI publishes them, with its own ids.

    The file holds only tokens and ranks. Its special tokens are not in the file; ours follow its own ids.

    Args:
        texts: Ignored; every trainer takes texts.
        path: The .tiktoken or .tiktoken.gz file.
        pattern: Regular expression that splits the text into words; must be the one the vocabulary was made with.

    Returns:
        The tokenizer.

    Raises:
        ValueError: The file is missing or is not a .tiktoken file.
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
    return assemble(models.BPE(vocabulary, _merges(vocabulary), ignore_merges=False), pattern=pattern, origin=path)


def gpt2_tokenizer(texts: Iterable[str], *, vocabulary: str, merges: str, pattern: str) -> Tokenizer:
    """Open the vocabulary of a vocab.json and a merges.txt, as GPT-2 has them, with its own ids.

    Args:
        texts: Ignored; every trainer takes texts.
        vocabulary: The vocab.json (plain or .gz): token → id.
        merges: The merges.txt (plain or .gz): one pair per line.
        pattern: Regular expression that splits the text into words; must be the one the vocabulary was made with.

    Returns:
        The tokenizer.

    Raises:
        ValueError: A file is missing or is not of its kind.
    """
    try:
        entries = json.loads("".join(_lines(vocabulary)))
    except ValueError as error:
        raise ValueError(f"{vocabulary} is not JSON: {error}") from None
    if not isinstance(entries, dict) or not all(isinstance(number, int) for number in entries.values()):
        raise ValueError(f"{vocabulary} is not an object of tokens and ids: give a vocab.json")
    pairs = []
    for number, line in enumerate(_lines(merges), start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        pair = tuple(line.split())
        if len(pair) != 2 or not {*pair, "".join(pair)} <= entries.keys():
            raise ValueError(f"{merges}:{number} is not a merge of two tokens of {vocabulary}: {line[:60]!r}")
        pairs.append(pair)
    return assemble(models.BPE(entries, pairs, ignore_merges=False), pattern=pattern, origin=vocabulary)


def _merges(vocabulary: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return every pair of tokens that makes a token, in the order of the rank of the result.

    tiktoken merges whichever neighbours make the token of lowest rank, so every way to make a token is a merge.
    """
    merges, rank_of = [], vocabulary.get
    for token, rank in vocabulary.items():
        for place in range(1, len(token)):
            left = rank_of(token[:place])
            if left is not None and (right := rank_of(token[place:])) is not None:
                merges.append((rank, left, right, place, token))
    return [(token[:place], token[place:]) for *_, place, token in sorted(merges)]


def _lines(path: str) -> list[str]:
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}: give the path of a vocabulary")
    try:
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            return file.read().decode("utf-8").splitlines()
    except (ValueError, gzip.BadGzipFile):
        raise ValueError(f"{path} is not text: give the file as its library publishes it") from None
