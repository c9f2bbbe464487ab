"""Counts over all segmentations at once equal those of enumerating them one by one."""

import random
from math import exp, log

import numpy as np
import pytest
import torch

from lm.tokenizer.lattice import Lattice
from lm.tokenizer.unigram import _digamma, _prune, _seeds

WORDS = [b"abab", b"a", b"babaab", b"cc", b"abcabcab", b"aaaaaaaaa"]
TIMES = [3.0, 1.0, 2.0, 5.0, 1.0, 4.0]


def make_lattice(words: list[bytes], times: list[float], longest: int = 4):
    """Build the lattice of words over every substring that occurs twice, its pieces, and scores for them."""
    lengths = np.array([len(word) for word in words])
    data, starts = np.frombuffer(b"".join(words), dtype=np.uint8), np.cumsum(lengths) - lengths
    table, first, size, counts = _seeds(
        data, starts, lengths, np.array(times), seed_size=10_000, min_frequency=2, max_piece=longest
    )
    pieces = [
        bytes([piece]) if piece < 256 else data[first[piece] :][: size[piece]].tobytes() for piece in range(len(size))
    ]
    draw = random.Random(0)
    scores = np.array([log(draw.uniform(0.01, 0.2)) for _ in pieces])
    return Lattice(table, starts, lengths, np.array(times)), pieces, scores, counts


def segmentations(word: bytes, known: dict[bytes, float]):
    """Yield every segmentation of the word with its log probability."""
    if not word:
        yield [], 0.0
    for end in range(1, len(word) + 1):
        if word[:end] in known:
            for rest, score in segmentations(word[end:], known):
                yield [word[:end], *rest], known[word[:end]] + score


def test_expected_counts_and_likelihood_are_sums_over_all_segmentations():
    lattice, pieces, scores, _ = make_lattice(WORDS, TIMES)
    known, likelihood = dict(zip(pieces, scores.tolist(), strict=True)), 0.0
    expected = dict.fromkeys(pieces, 0.0)
    for word, times in zip(WORDS, TIMES, strict=True):
        paths = list(segmentations(word, known))
        whole = sum(exp(score) for _, score in paths)
        likelihood += times * log(whole)
        for path, score in paths:
            for piece in path:
                expected[piece] += times * exp(score) / whole
    counts, total = lattice.expected(scores)
    assert total == pytest.approx(likelihood, rel=1e-12)
    np.testing.assert_allclose(counts, [expected[piece] for piece in pieces], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("whole", [True, False])
def test_the_best_path_is_the_likeliest_segmentation(whole):
    lattice, pieces, scores, _ = make_lattice(WORDS, TIMES)
    known = dict(zip(pieces, scores.tolist(), strict=True))
    for chosen, paths in lattice.best(scores, whole=whole):
        for number, path in zip(chosen, paths, strict=True):
            word = WORDS[number]
            scored = [(score, path) for path, score in segmentations(word, known) if whole or len(path) > 1]
            written = [pieces[piece] for piece in path[::-1] if piece >= 0]
            assert written == (max(scored)[1] if scored else [])


def test_processing_in_chunks_changes_nothing(monkeypatch):
    lattice, _, scores, _ = make_lattice(WORDS, TIMES)
    counts, used = lattice.expected(scores)[0], lattice.used(scores)
    monkeypatch.setattr("lm.tokenizer.lattice.CELLS", 1)
    np.testing.assert_allclose(lattice.expected(scores)[0], counts, rtol=1e-12)
    np.testing.assert_array_equal(lattice.used(scores), used)


def test_seeds_are_the_substrings_that_are_not_always_followed_by_the_same_byte():
    _, pieces, _, counts = make_lattice(WORDS, TIMES, longest=3)
    naive: dict[bytes, float] = {}
    for word, times in zip(WORDS, TIMES, strict=True):
        for begin in range(len(word)):
            for end in range(begin + 2, min(len(word), begin + 3) + 1):
                naive[word[begin:end]] = naive.get(word[begin:end], 0) + times
    wanted = {
        piece: count
        for piece, count in naive.items()
        if count >= 2 and not any(naive.get(piece + bytes([byte])) == count for byte in range(256))
    }
    assert dict(zip(pieces[256:], counts[256:].tolist(), strict=True)) == wanted
    saved = [-len(piece) * wanted[piece] for piece in pieces[256:]]
    assert saved == sorted(saved)


def test_pruning_removes_the_pieces_that_cost_the_least_likelihood():
    """By hand: the log probability of each piece against that of its best segmentation into others."""
    lattice, pieces, scores, _ = make_lattice(WORDS, TIMES)
    data = b"".join(WORDS)
    size = np.array([len(piece) for piece in pieces])
    first = np.array([number if len(piece) == 1 else data.index(piece) for number, piece in enumerate(pieces)])
    known = dict(zip(pieces, scores.tolist(), strict=True))
    used = dict.fromkeys(pieces, 0.0)
    for word, times in zip(WORDS, TIMES, strict=True):
        for piece in max((score, path) for path, score in segmentations(word, known))[1]:
            used[piece] += times
    total, lost = sum(used.values()), {}
    for piece in pieces[256:]:
        own = used[piece]
        _, others = max((score, path) for path, score in segmentations(piece, known) if len(path) > 1)
        instead = sum(log((used[other] + own) / (total + own * (len(others) - 1))) for other in others if own)
        lost[piece] = own * (log(own / total) - instead) if own else -float("inf")
    ranked = sorted(lost, key=lambda piece: -lost[piece])
    assert lost[ranked[2]] > lost[ranked[3]], "the test needs a unique order at the limit"
    left = _prune(scores, lattice, lattice.pieces, first, size, keep=256 + 3)
    assert {pieces[number] for number in np.flatnonzero(np.isfinite(left)) if number >= 256} == set(ranked[:3])


def test_digamma_equals_that_of_torch():
    values = np.concatenate([np.geomspace(1e-3, 1e9, 200), [0.5, 1.0, 10.0]])
    np.testing.assert_allclose(
        _digamma(values), torch.digamma(torch.from_numpy(values)).numpy(), rtol=1e-11, atol=1e-11
    )
