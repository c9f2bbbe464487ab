"""Encode batches with fastokens if it is installed and gives the same ids."""

import json
import random
from collections.abc import Callable, Sequence

import numpy as np

Encode = Callable[[Sequence[str]], list[np.ndarray]]

# First and last characters of scripts, marks and spaces: where encoders differ, they differ here.
RANGES = [(0x20, 0x7E), (0, 0x20), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF),
          (0x2000, 0x206F), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1FAFF)]  # fmt: skip
WORDS = ["don't", "'LL", "x1234567", "  ", "\r\n\r\n", "\t\t", "__init__", "…", "ſ", "ǅ", "<|user|>", "3.14", "\u2028"]


def fast_engine(content: str, *, like: Encode) -> Encode | None:
    """Return fastokens' encoder for a tokenizer.json, or None if it is absent, unsupported or inexact.

    Inexact means that it differs from `like` on any of some hundred mixed texts. fastokens (of the extra
    `fast`) is not given the special tokens, so that typed in a text they are text.

    Args:
        content: The tokenizer.json.
        like: The reference encoder.
    """
    try:
        from fastokens._native import Tokenizer as Fast
    except ImportError:
        return None
    description = json.loads(content)
    description["added_tokens"] = [token for token in description["added_tokens"] if not token["special"]]
    try:
        fast = Fast.from_json_str(json.dumps(description))
    except ValueError:  # a kind of tokenizer that fastokens does not support
        return None

    def encode(texts: Sequence[str]) -> list[np.ndarray]:
        ids, bounds = fast.encode_batch_flat(list(texts), False)  # no object per token
        return np.split(np.frombuffer(ids, dtype="<u4"), np.frombuffer(bounds, dtype="<u8")[1:-1].astype(np.int64))

    probes = [*WORDS, *_mixed_texts(random.Random(0), 200)]
    return encode if all(map(np.array_equal, encode(probes), like(probes))) else None


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
