"""Duplicates are found, and near duplicates as often as the bands and rows say."""

import random
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pytest

from lm.corpus import Document
from lm.filter import Duplicates, NearDuplicates
from lm.filter.text.hashes import AFTER, hashed
from lm.filter.text.plain_words import plain_texts, plain_words
from lm.filter.text.runs import BASE, hashed_runs
from lm.filtering import FilteredSource
from support.given import Given

WORDS = [f"word{number}" for number in range(20_000)]
SIZE = 150  # words of a planted document


def key(text: str, **options) -> list[bytes]:
    return Duplicates(**options).keys([Document(text, "")])[0]


def test_case_marks_and_blanks_make_no_difference_unless_asked():
    same = [
        "Some text, with 2 lines:\n\nthe end.",
        "some TEXT with 2 lines -- the end",
        "_some_ text with 2\tlines the end",
    ]
    assert len({*map(tuple, map(key, same))}) == 1
    assert len({tuple(key(text, exactly=True)) for text in same}) == 3
    assert key("some text with 3 lines the end") != key(same[0])
    assert key("été") != key("ete")
    assert key("“It’s – «so» …”") == key('"It\'s" so')
    assert key("日本語。") != key("日本")
    assert key("!!!") != key("???"), "without a letter the whole text counts"


def pair(overlap: float, draw: random.Random) -> tuple[str, str, float]:
    """Two texts, and how far their sets of words overlap (Jaccard)."""
    common = round(2 * SIZE * overlap / (1 + overlap))
    words = draw.sample(WORDS, 2 * SIZE - common)
    return " ".join(words[:SIZE]), " ".join(words[SIZE - common :]), common / (2 * SIZE - common)


def found(step: NearDuplicates, first: str, second: str) -> bool:
    keys = step.keys([Document(text, "") for text in (first, second)])
    return any(a == b for a, b in zip(*keys, strict=True))


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (20, 5)])
def test_recall_of_planted_pairs_follows_the_chance_of_bands_and_rows(bands, rows):
    draw, step = random.Random(0), NearDuplicates(bands=bands, rows=rows, shingle=1)
    edges = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    total = []
    for low, high in pairwise(edges):
        hits, chances = 0, []
        for _ in range(500):
            first, second, overlap = pair(draw.uniform(low, high), draw)
            hits += found(step, first, second)
            chances.append(step.chance(overlap))
        total.append((hits, sum(chances)))
        assert abs(hits - sum(chances)) / 500 < 0.05, (low, high)  # two standard errors and a half
    hits, expected = map(sum, zip(*total, strict=True))
    assert abs(hits - expected) / 2500 < 0.02


def test_texts_that_share_little_are_not_near():
    draw, step = random.Random(0), NearDuplicates()
    texts = [" ".join(draw.choices(WORDS[:500], k=SIZE)) for _ in range(2000)]
    assert sum(found(step, first, second) for first, second in pairwise(texts)) == 0


def test_around_the_threshold_chance_becomes_likely():
    step = NearDuplicates()
    assert step.threshold == pytest.approx(0.719, abs=1e-3)
    assert step.chance(step.threshold) == pytest.approx(0.632, abs=0.02)
    assert step.chance(0.5) < 0.06 < 0.98 < step.chance(0.85)


def test_a_reprint_is_dropped_and_short_texts_are_told_apart(tmp_path):
    draw = random.Random(0)
    words = draw.choices(WORDS, k=400)
    reprint = [*words[:200], "inserted", *words[201:], "at", "the", "end"]
    documents = [
        Document(" ".join(words), "first"),
        Document(" ".join(draw.choices(WORDS, k=400)), "other"),
        Document(" ".join(reprint).upper(), "reprint"),
        *(Document(text, text) for text in ("two words", "two worlds", "Two  words!", "", "…")),
    ]
    kept = list(FilteredSource({"x": Given(documents)}, filters={"near": NearDuplicates()}, directory=str(tmp_path)))
    assert [document.id for document in kept] == ["first", "other", "two words", "two worlds", "", "…"]


@pytest.mark.parametrize("shingle", [1, 2, 3, 5])
def test_keys_are_those_of_the_sketch_of_every_run_of_words(shingle):
    from rensa import RMinHash

    draw, step = random.Random(shingle), NearDuplicates(bands=3, rows=4, shingle=shingle)
    counts = [*range(20), 200, 0, 0, 1, 3]
    said = [draw.choices(["a", "bc", "déjà", "x", "中", "of nine", *WORDS[:9]], k=count) for count in counts]
    words = [plain_words(" ".join(each)) for each in said]
    expected = []
    for each in words:
        size = min(shingle, len(each))
        runs = [each[begin : begin + size] for begin in range(len(each) - size + 1)] if each else []
        digest = RMinHash.digest_matrix_from_token_hash_sets([[*map(run_hash, runs)]], 12, 1).to_rows()
        rows = np.array(digest, dtype="<u4").reshape(3, 4)
        expected.append([blake2b(row.tobytes(), digest_size=8).digest() for row in rows] if each else [])
    draw.shuffle(blanks := [" ", "\n", " - ", "; "])
    documents = [Document(draw.choice(blanks).join(each), "") for each in said]
    assert step.keys(documents) == expected
    assert [keys for document in documents for keys in step.keys([document])] == expected
    assert step.keys([]) == []


def run_hash(words: list[bytes]) -> int:
    """A polynomial of what is told of each word alone."""
    value = 0
    for word in words:
        [number] = hashed(word + AFTER, np.array([0]), np.array([len(word)]))
        [mixed] = hashed_runs(np.array([number]), 1).tolist()
        value = (value * BASE + mixed) % 2**64
    return value


def test_texts_of_plain_words_are_these_with_a_blank_between():
    draw = random.Random(0)
    signs = ["a", "É", "1", " ", " ", "\n", "\t", ".", "-", "中", "e\u0301", "\u2028", "\xa0", "ß", "\ud800", "_", "İ"]
    texts = ["".join(draw.choices(signs, k=draw.randrange(12))) for _ in range(3000)]
    expected = [b" ".join(plain_words(text)) for text in texts]
    assert plain_texts(texts) == expected
    assert [each for text in texts for each in plain_texts([text])] == expected
    assert plain_texts([]) == []


def test_another_seed_is_another_sketch():
    documents = [Document("some text of many words", "")]
    assert NearDuplicates(seed=2).keys(documents) != NearDuplicates().keys(documents)


def alike(count: int, draw: random.Random) -> list[str]:
    """So many texts of which each has a few words less than the one before."""
    words = draw.choices(WORDS, k=400)
    return [" ".join(words[: 400 - 5 * number]) for number in range(count)]


@pytest.mark.parametrize(("keep", "kept"), [("first", "middle"), ("longest", "long"), ("best", "good")])
def test_of_near_duplicates_that_which_was_asked_for_is_kept(keep, kept, tmp_path):
    long, middle, short = alike(3, random.Random(1))
    documents = [Document(middle, "middle"), Document(long, "long"), Document(f"{short} fine fine", "good")]
    quality = Fineness() if keep == "best" else None
    step = NearDuplicates(keep=keep, quality=quality)
    assert [
        document.id
        for document in FilteredSource({"x": Given(documents)}, filters={"near": step}, directory=str(tmp_path))
    ] == [kept]


class Fineness:
    """What NearDuplicates asks of a learned quality."""

    def score(self, text: str) -> float:
        return text.count("fine")


def test_a_best_one_needs_something_to_say_which():
    with pytest.raises(ValueError, match=r"filter.keep=best and filter.quality=null: .* give both"):
        NearDuplicates(keep="best")
    with pytest.raises(ValueError, match=r"filter\.keep=longest and filter.quality=given"):
        NearDuplicates(keep="longest", quality=Fineness())


@pytest.mark.parametrize("step", [NearDuplicates, Duplicates])
def test_what_an_earlier_corpus_has_is_not_kept_again(step, tmp_path):
    here, there, other = ["; ".join(alike(1, random.Random(seed))) for seed in range(3)]
    earlier = Given([Document(there, "old"), Document(other.upper(), "older")])
    documents = [Document(text, name) for name, text in (("here", here), ("there", f"{there}!"), ("other", other))]
    funnel = FilteredSource({"x": Given(documents)}, filters={"new": step(earlier=earlier)}, directory=str(tmp_path))
    assert [document.id for document in funnel] == ["here"]
    assert {each["detail"] for each in funnel.ledger.steps[0]["dropped"][step.reason]["examples"]} == {
        "as old",
        "as older",
    }
