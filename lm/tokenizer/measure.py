"""What a vocabulary does to a text, in numbers by which tokenizers can be compared."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lm.tokenizer.tokenizer import Tokenizer

WORD = re.compile(r"\w+")
NUMBER = re.compile(r"\d+")
BLANK = re.compile(r"\s+")
ALPHA = 2.5  # where Rényi efficiency follows translation quality best (Zouhar et al. 2023)
LONGEST = 10


def measure(tokenizer: Tokenizer, texts: Iterable[str], *, rare: int = 10) -> dict[str, Any]:
    """Sizes and shares over all of `texts`; tokens seen fewer than `rare` times count as rare.

    Lost is what does not come back, as where a normaliser replaces characters.
    Words are runs of letters and digits, so in languages that do not space them a word is a phrase.
    """
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    total = dict.fromkeys(("bytes", "characters", "lines", "words", "whole", "word_tokens", "number_tokens"), 0)
    total |= {"digits": 0, "blanks": 0, "blank_tokens": 0, "lost": 0}
    for text in texts:
        ids = np.array(tokenizer.encode(text), dtype=np.int64)
        counts += np.bincount(ids, minlength=len(counts))
        total["bytes"] += len(text.encode())
        total["lost"] += tokenizer.lost(text)
        text = tokenizer.normalize(text)
        ends = np.cumsum(tokenizer.token_bytes[ids]) - len(tokenizer.prefix)
        places = _byte_places(text)
        total["characters"] += len(text)
        total["lines"] += len(text.splitlines())
        within = _tokens_within(ends, places, WORD.finditer(text))
        total["words"] += len(within)
        total["word_tokens"] += int(within.sum())
        total["whole"] += int((within == 1).sum())
        total["digits"] += sum(len(found[0]) for found in NUMBER.finditer(text))
        total["number_tokens"] += int(_tokens_within(ends, places, NUMBER.finditer(text)).sum())
        total["blanks"] += sum(len(found[0]) for found in BLANK.finditer(text))
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
        "tokens_per_word": _share(total["word_tokens"], total["words"]),
        "words_whole": _share(total["whole"], total["words"]),
        "tokens_per_line": _share(tokens, total["lines"]),
        "digits_per_token": _share(total["digits"], total["number_tokens"]),
        "blanks_per_token": _share(total["blanks"], total["blank_tokens"]),
        "entropy": float(-(chances * np.log2(chances)).sum()),  # bits a token, if each came by chance
        "renyi_efficiency": renyi_efficiency(counts),
        "never_seen": float((counts[usable] == 0).mean()),
        "rarely_seen": float((counts[usable] < rare).mean()),
    }


def premium(tokenizer: Tokenizer, texts: Sequence[str], reference: Sequence[str]) -> dict[str, float]:
    """What a language pays for the same content: its tokens over those of the reference, and its bytes over theirs.

    Petrov et al. 2023 (arXiv:2305.15425): the same service at a multiple of the price, and of the context.
    """
    theirs, ours = (sum(map(len, tokenizer.encode_batch(each))) for each in (texts, reference))
    sizes = [sum(len(text.encode()) for text in each) for each in (texts, reference)]
    if not theirs or not ours:
        raise ValueError("there is no text in one of the languages, so nothing to hold against the other")
    return {"texts": len(texts), "tokens": theirs / ours, "bytes": sizes[0] / sizes[1]}


def renyi_efficiency(counts: np.ndarray, *, alpha: float = ALPHA) -> float:
    """How evenly a vocabulary is used: Rényi entropy over its maximum, log V (Zouhar et al. 2023); 1 is even."""
    chances = counts / counts.sum()
    return float(np.log(np.sum(chances**alpha)) / (1 - alpha) / np.log(len(counts)))


def longest_tokens(tokenizer: Tokenizer, *, count: int = LONGEST) -> list[str]:
    """The longest entries, as text."""
    order = np.argsort(-tokenizer.token_bytes, kind="stable")[:count]
    return [tokenizer.decode([int(token)]) for token in order]


def _byte_places(text: str) -> np.ndarray:
    """Where each character begins in UTF-8, and where the text ends."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    return np.concatenate([[0], np.cumsum(sizes)])


def _tokens_within(ends: np.ndarray, places: np.ndarray, found: Iterable[re.Match]) -> np.ndarray:
    """How many tokens it takes to write each match: one more than the ends of tokens strictly inside it."""
    spans: Sequence[tuple[int, int]] = [match.span() for match in found]
    if not spans:
        return np.zeros(0, dtype=np.int64)
    begin, end = places[np.array(spans)].T
    return 1 + np.searchsorted(ends, end, side="left") - np.searchsorted(ends, begin, side="right")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
