"""Measure compression, fertility, use of the vocabulary and the price of languages."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lm.tokenizer.tokenizer import Tokenizer

WORD = re.compile(r"\w+")
NUMBER = re.compile(r"\d+")
BLANK = re.compile(r"\s+")
ALPHA = 2.5  # order at which Rényi efficiency correlates best with translation quality (Zouhar et al. 2023)
LONGEST = 10


def measure(tokenizer: Tokenizer, texts: Iterable[str], *, rare: int = 10) -> dict[str, Any]:
    """Measure a tokenizer on texts.

    Words are runs of letters and digits; in languages without spaces a word is a phrase.

    Args:
        tokenizer: The tokenizer.
        texts: Texts to encode, best held out from its training.
        rare: Occurrences below which a token counts as rarely seen.

    Returns:
        Sizes and shares over all texts: `bytes_per_token`, `tokens_per_word` (fertility), `words_whole` (share of words
        that are one token), `lost` (share of bytes that decoding does not return), `renyi_efficiency` and others.

    Raises:
        ValueError: There is no text.
    """
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    total = dict.fromkeys(("bytes", "characters", "lines", "words", "whole", "word_tokens", "number_tokens"), 0)
    total |= {"digits": 0, "blanks": 0, "blank_tokens": 0, "lost": 0}
    for text in texts:
        ids = np.array(tokenizer.encode(text), dtype=np.int64)
        counts += np.bincount(ids, minlength=len(counts))
        total["bytes"] += len(text.encode())
        total["lost"] += tokenizer.lost_bytes(text)
        text, sizes = tokenizer.counted(text)
        ends = np.cumsum(sizes)
        places = _byte_places(text)
        total["characters"] += len(text)
        total["lines"] += len(text.splitlines())
        word_tokens = _tokens_within(ends, places, WORD.finditer(text))
        total["words"] += len(word_tokens)
        total["word_tokens"] += int(word_tokens.sum())
        total["whole"] += int((word_tokens == 1).sum())
        total["digits"] += sum(len(match[0]) for match in NUMBER.finditer(text))
        total["number_tokens"] += int(_tokens_within(ends, places, NUMBER.finditer(text)).sum())
        total["blanks"] += sum(len(match[0]) for match in BLANK.finditer(text))
        total["blank_tokens"] += int(_tokens_within(ends, places, BLANK.finditer(text)).sum())
    tokens = int(counts.sum())
    if not tokens:
        raise ValueError("there is no text to measure a tokenizer on: every document is empty or there are none")
    usable = tokenizer.token_bytes > 0
    chances = counts[counts > 0] / tokens
    return {
        "vocab_size": tokenizer.vocab_size,
        "bytes": total["bytes"],
        "tokens": tokens,
        "bytes_per_token": total["bytes"] / tokens,
        "characters_per_token": total["characters"] / tokens,
        "lost": total["lost"] / total["bytes"],
        "tokens_per_word": _ratio(total["word_tokens"], total["words"]),
        "words_whole": _ratio(total["whole"], total["words"]),
        "tokens_per_line": _ratio(tokens, total["lines"]),
        "digits_per_token": _ratio(total["digits"], total["number_tokens"]),
        "blanks_per_token": _ratio(total["blanks"], total["blank_tokens"]),
        "entropy": float(-(chances * np.log2(chances)).sum()),  # bits per token under a unigram model
        "renyi_efficiency": renyi_efficiency(counts),
        "never_seen": float((counts[usable] == 0).mean()),
        "rarely_seen": float((counts[usable] < rare).mean()),
    }


def premium(tokenizer: Tokenizer, texts: Sequence[str], reference: Sequence[str]) -> dict[str, float]:
    """Return the price of a language: its tokens and bytes for the same content, relative to the reference.

    Petrov et al. 2023 (arXiv:2305.15425): the same service at a multiple of the price and of the context.

    Args:
        tokenizer: The tokenizer.
        texts: Texts in the language.
        reference: The same content in the reference language.

    Returns:
        Number of `texts`, ratio of `tokens`, ratio of `bytes`.
    """
    theirs, ours = (sum(map(len, tokenizer.encode_batch(side))) for side in (texts, reference))
    sizes = [sum(len(text.encode()) for text in side) for side in (texts, reference)]
    if not theirs or not ours:
        raise ValueError("there is no text in one of the languages: give aligned texts in both")
    return {"texts": len(texts), "tokens": theirs / ours, "bytes": sizes[0] / sizes[1]}


def renyi_efficiency(counts: np.ndarray, *, alpha: float = ALPHA) -> float:
    """Return the Rényi entropy of token counts over its maximum, log V (Zouhar et al. 2023); 1 is uniform use."""
    chances = counts / counts.sum()
    return float(np.log(np.sum(chances**alpha)) / (1 - alpha) / np.log(len(counts)))


def longest_tokens(tokenizer: Tokenizer, *, count: int = LONGEST) -> list[str]:
    """Return the longest tokens as text."""
    order = np.argsort(-tokenizer.token_bytes, kind="stable")[:count]
    return [tokenizer.decode([int(token)]) for token in order]


def _byte_places(text: str) -> np.ndarray:
    """Return the first byte of each character in UTF-8, and the end of the text."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    return np.concatenate([[0], np.cumsum(sizes)])


def _tokens_within(ends: np.ndarray, places: np.ndarray, matches: Iterable[re.Match]) -> np.ndarray:
    """Count the tokens of each match: one more than the token ends strictly inside it."""
    spans: Sequence[tuple[int, int]] = [match.span() for match in matches]
    if not spans:
        return np.zeros(0, dtype=np.int64)
    begin, end = places[np.array(spans)].T
    return 1 + np.searchsorted(ends, end, side="left") - np.searchsorted(ends, begin, side="right")


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
