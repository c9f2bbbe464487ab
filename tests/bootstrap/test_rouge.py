"""ROUGE-L equals the textbook dynamic program."""

import random

from lm.bootstrap import RougeIndex


def naive(one: list[str], other: list[str]) -> float:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return 2 * table[-1][-1] / (len(one) + len(other)) if one or other else 0.0


def test_similarity_is_by_the_longest_common_subsequence_of_words():
    draw = random.Random(0)
    for _ in range(300):
        texts = [draw.choices("abcdef", k=draw.randrange(12)) for _ in range(draw.randrange(1, 6))]
        query, index = draw.choices("abcdefg", k=draw.randrange(90)), RougeIndex()
        for text in texts:
            index.add(" ".join(text))
        largest = max(naive(text, query) for text in texts)
        assert index.max_similarity(" ".join(query)) == largest
        for above in (0.3, 0.7):
            assert index.max_similarity(" ".join(query), above=above) == (largest if largest > above else 0)


def test_case_and_punctuation_are_ignored():
    index = RougeIndex()
    index.add("Write a poem, about CATS!")
    assert index.max_similarity("write a poem about cats") == 1.0
    assert index.max_similarity("") == RougeIndex().max_similarity("x") == 0.0
    assert len(index) == 1
