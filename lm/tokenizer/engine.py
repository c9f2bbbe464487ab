"""Encode batches with fastokens if it is installed, for the texts of which it gives the same ids."""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import tokenizers

from lm.tokenizer.byte_alphabet import BLANK, CHARACTER_OF
from lm.tokenizer.roles import KEY
from lm.tokenizer.unicode_edges import code_points, unicode_edges

Encode = Callable[[Sequence[str]], list[np.ndarray]]

# First and last characters of scripts, marks and spaces: where encoders differ, they differ here.
RANGES = [(0x20, 0x7E), (0, 0x20), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF),
          (0x2000, 0x206F), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1FAFF)]  # fmt: skip
WORDS = ["don't", "'LL", "x1234567", "  ", "\r\n\r\n", "\t\t", "__init__", "…", "ſ", "ǅ", "<|user|>", "3.14", "\u2028"]
LEFT = ["", "a", "A", " ", "  ", "1", ".", "\n", "'", "'l"]  # what a character follows when it is tried
FEW = 1000  # characters that may differ; with more, fastokens is not used


def fast_engine(content: str, *, like: Encode, own: Iterable[str] = ()) -> Encode | None:
    """Return an encoder that uses fastokens for a tokenizer.json, or None if it is absent, unsupported or inexact.

    Inexact means that it differs from `like` on any of some hundred mixed texts. Texts with a character on which the
    two differ, or that Unicode has assigned too lately to know, are encoded by `like`. fastokens (of the extra `fast`)
    is not given the special tokens, so that typed in a text they are text.

    Args:
        content: The tokenizer.json.
        like: The reference encoder.
        own: Texts with the tokenizer's own symbols.
    """
    try:
        from fastokens._native import Tokenizer as Fast
    except ImportError:
        return None
    description = json.loads(content)
    description["added_tokens"] = [token for token in description["added_tokens"] if not token["special"]]
    description["model"].pop(KEY, None)
    try:
        fast = _flat(Fast.from_json_str(json.dumps(description)))
        doubtful = _doubtful(_splitting(description))
    except ValueError:  # a kind of tokenizer that fastokens does not support
        return None
    if doubtful is None:
        return None

    def encode(texts: Sequence[str]) -> list[np.ndarray]:
        slow = {n for n, text in enumerate(texts) if not text.isascii() and doubtful[code_points(text)].any()}
        quick = iter(fast([text for n, text in enumerate(texts) if n not in slow]))
        exact = iter(like([texts[n] for n in sorted(slow)]) if slow else [])
        return [next(exact if n in slow else quick) for n in range(len(texts))]

    probes = [*WORDS, *own, *_mixed_texts(random.Random(0), 200)]
    return encode if all(map(np.array_equal, encode(probes), like(probes))) else None


def _flat(fast: Any) -> Encode:
    """Return the batch encoder of a tokenizer of fastokens that makes no object per token."""

    def encode(texts: Sequence[str]) -> list[np.ndarray]:
        if not texts:
            return []
        ids, bounds = fast.encode_batch_flat(list(texts), False)
        return np.split(np.frombuffer(ids, dtype="<u4"), np.frombuffer(bounds, dtype="<u8")[1:-1].astype(np.int64))

    return encode


def _splitting(description: dict) -> str:
    """Return a tokenizer.json that normalizes and splits as this one, whose ids show the bytes and where it splits."""
    if description["model"].get("byte_fallback"):
        entries = ["<unk>", BLANK, *(f"<0x{byte:02X}>" for byte in range(256))]
        vocabulary = {entry: number for number, entry in enumerate(entries)}
        model = tokenizers.models.BPE(vocabulary, [], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    else:
        letters = list(CHARACTER_OF.values())
        before = sorted({CHARACTER_OF[ord(left[-1])] for left in LEFT if left})
        pairs = [*product(before, letters), *((letter, "b") for letter in letters if letter not in before)]
        entries = [*letters, *map("".join, pairs)]
        model = tokenizers.models.BPE({entry: number for number, entry in enumerate(entries)}, pairs)
    model = json.loads(tokenizers.Tokenizer(model).to_str())["model"]
    return json.dumps(description | {"model": model, "post_processor": None, "added_tokens": []})


@lru_cache(maxsize=8)
def _doubtful(content: str) -> np.ndarray | None:
    """Return which characters are not for fastokens, bool [0x110000]; None if they are many or ASCII.

    They are those on which it differs from `tokenizers`, and those that Unicode has assigned lately.
    """
    from fastokens._native import Tokenizer as Fast

    fast, reference = _flat(Fast.from_json_str(content)), tokenizers.Tokenizer.from_str(content)
    edges, decomposed, doubtful = unicode_edges()
    tried = [*edges, *(decomposed if json.loads(content)["normalizer"] else ())]
    texts = ["".join(f"{left}{text}b" for left in LEFT) for text in tried]
    expected = reference.encode_batch_fast(texts, add_special_tokens=False)
    wrong = [text for text, one, other in zip(tried, expected, fast(texts), strict=True) if one.ids != other.tolist()]
    points = code_points("".join(wrong))
    if len(points) > FEW or (points < 128).any():
        return None
    doubtful = doubtful.copy()
    doubtful[points] = True
    return doubtful


def _mixed_texts(draw: random.Random, count: int) -> list[str]:
    """Draw texts of runs of one script after another, with words between them."""
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(draw.randint(1, 8)):
            first, last = draw.choice(RANGES)
            parts.append("".join(chr(draw.randint(first, last)) for _ in range(draw.randint(1, 6))))
            parts.append(draw.choice([" ", "", "\n", *WORDS]))
        texts.append("".join(parts))
    return texts
