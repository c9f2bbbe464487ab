"""The likeness is ROUGE-L, as a table of all subsequences gives it."""

import random

from lm.bootstrap import Known


def naive(one: list[str], other: list[str]) -> float:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return 2 * table[-1][-1] / (len(one) + len(other)) if one or other else 0.0


def test_it_is_the_longest_common_subsequence_of_words():
    draw = random.Random(0)
    for _ in range(300):
        texts = [draw.choices("abcdef", k=draw.randrange(12)) for _ in range(draw.randrange(1, 6))]
        asked, known = draw.choices("abcdefg", k=draw.randrange(90)), Known()
        for text in texts:
            known.add(" ".join(text))
        most = max(naive(text, asked) for text in texts)
        assert known.most_alike(" ".join(asked)) == most
        for above in (0.3, 0.7):
            assert known.most_alike(" ".join(asked), above=above) == (most if most > above else 0)


def test_case_and_marks_make_no_difference():
    known = Known()
    known.add("Write a poem, about CATS!")
    assert known.most_alike("write a poem about cats") == 1.0
    assert known.most_alike("") == Known().most_alike("x") == 0.0
    assert len(known) == 1
