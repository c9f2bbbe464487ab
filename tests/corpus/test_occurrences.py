"""Copies are counted exactly: every occurrence, also of sequences whose first, middle and last tokens are alike."""

import numpy as np
import pytest

from lm.corpus import Shards, count_occurrences
from support.training_runs import make_corpus


def slow(ids: list[int], sequence: tuple[int, ...]) -> int:
    return sum(tuple(ids[at : at + len(sequence)]) == sequence for at in range(len(ids) - len(sequence) + 1))


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("vocabulary", [2, 5, 1 << 22])  # the last one is larger than a key holds
def test_counts_equal_those_of_a_slow_search(length, vocabulary):
    draw = np.random.default_rng(length)
    texts = [draw.integers(vocabulary - 2, vocabulary, size) for size in (0, 3, 40, 200)]
    sequences = [tuple(texts[3][at : at + length].tolist()) for at in range(0, 190, 7)]
    sequences += [tuple(draw.integers(0, vocabulary, length).tolist()) for _ in range(5)]
    expected = [sum(slow(text.tolist(), each) for text in texts) for each in sequences]
    assert count_occurrences(texts, sequences) == expected


def test_overlapping_occurrences_count_and_no_sequences_are_no_counts():
    assert count_occurrences([np.array([7, 7, 7, 7])], [(7, 7)]) == [3]
    assert count_occurrences([np.array([1])], []) == []


def test_a_stream_that_is_read_in_pieces_has_the_same_counts(tmp_path):
    stream = next(iter(Shards(make_corpus(tmp_path, count=40)).streams.values()))
    ids = stream.read(0, len(stream))
    sequences = [tuple(ids[at : at + 4].tolist()) for at in range(0, len(ids) - 4, 3)]
    expected = count_occurrences([ids], sequences)
    assert [slow(ids.tolist(), each) for each in sequences] == expected
    for at_once in (1, 5, 64, len(ids)):
        assert count_occurrences([stream], sequences, at_once=at_once) == expected
