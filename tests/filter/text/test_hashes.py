"""Equal short texts have equal hashes, and a table numbers them."""

import random

import numpy as np
import pytest

from lm.filter.text.hashes import LONGEST, PADDING, HashTable, hash_spans


def laid_out(texts: list[bytes]) -> tuple[bytes, np.ndarray, np.ndarray]:
    lengths = np.array(list(map(len, texts)))
    return b"".join([*texts, PADDING]), np.cumsum(lengths) - lengths, lengths


def test_equal_texts_have_equal_hashes_at_any_offset():
    draw = random.Random(0)
    texts = [bytes(draw.choices(b"ab\x00\xff", k=draw.randrange(1, 20))) for _ in range(20_000)]
    texts += [b"x" * (length - 1) + end for length in range(1, 2 * LONGEST) for end in (b"a", b"b")]
    texts += [b"a" + b"x" * length for length in range(2 * LONGEST)]
    hashes = hash_spans(*laid_out(texts))
    draw.shuffle(again := list(dict.fromkeys(texts)))
    assert len(set(hashes.tolist())) == len(again)
    assert dict(zip(again, hash_spans(*laid_out(again)).tolist(), strict=True)) == dict(
        zip(texts, hashes.tolist(), strict=True)
    )


def test_different_long_texts_have_different_hashes():
    [one] = hash_spans(*laid_out([b"x" * 10_000_000]))
    [other] = hash_spans(*laid_out([b"x" * 9_999_999 + b"y"]))
    assert one != other


@pytest.mark.parametrize("kind", ["spread", "in one place", "small", "at the end"])
def test_every_added_hash_is_found_under_its_number(kind):
    draw, table = np.random.default_rng(0), HashTable()
    every = draw.integers(2**64, size=120_000, dtype=np.uint64)
    if kind == "in one place":
        every = every[:3000] >> np.uint64(20)  # the first bits say where
    if kind == "small":
        every = np.arange(3000, dtype=np.uint64)
    if kind == "at the end":
        every = ~np.arange(3000, dtype=np.uint64)  # where a table wraps around
    every, upto = np.unique(every), 0
    draw.shuffle(every)
    for size in (1, 2, 0, 1000, 40_000, 80_000):
        assert not table.find(every[upto : upto + size]).any()
        table.add(every[upto : upto + size])
        upto = min(upto + size, len(every))
        assert table.find(every[:upto]).tolist() == list(range(1, upto + 1))
        assert table.size == upto + 1
        assert not table.find(every[upto:]).any()
