"""Duplicates are found, and near duplicates with the probability that bands and rows imply."""

import random
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pytest

from lm.corpus import Document
from lm.filter import Duplicates, NearDuplicates
from lm.filter.text.hashes import BASE, PADDING, hash_ngrams, hash_spans
from lm.filter.text.normalized import normalized_texts, normalized_words
from lm.filtering import FilteredSource
from support.given import Given

WORDS = [f"word{number}" for number in range(20_000)]
SIZE = 150  # words of a planted document


def key(text: str, **options) -> list[bytes]:
    return Duplicates(**options).keys([Document(text, "")])[0]


def test_case_punctuation_and_blanks_are_ignored_unless_exact():
    same = [
        "Some text, with 2 lines:\n\nthe end.",
        "some TEXT with 2 lines -- the end",
        "_some_ text with 2\tlines the end",
    ]
    assert len({*map(tuple, map(key, same))}) == 1
    assert len({tuple(key(text, exact=True)) for text in same}) == 3
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
def test_recall_of_planted_pairs_follows_the_probability_of_bands_and_rows(bands, rows):
    draw, step = random.Random(0), NearDuplicates(bands=bands, rows=rows, shingle=1)
    edges = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    total = []
    for low, high in pairwise(edges):
        hits, chances = 0, []
        for _ in range(500):
            first, second, overlap = pair(draw.uniform(low, high), draw)
            hits += found(step, first, second)
            chances.append(step.match_probability(overlap))
        total.append((hits, sum(chances)))
        assert abs(hits - sum(chances)) / 500 < 0.05, (low, high)  # two standard errors and a half
    hits, expected = map(sum, zip(*total, strict=True))
    assert abs(hits - expected) / 2500 < 0.02


def test_texts_of_low_similarity_do_not_match():
    draw, step = random.Random(0), NearDuplicates()
    texts = [" ".join(draw.choices(WORDS[:500], k=SIZE)) for _ in range(2000)]
    assert sum(found(step, first, second) for first, second in pairwise(texts)) == 0


def test_the_match_probability_rises_steeply_around_the_threshold():
    step = NearDuplicates()
    assert step.threshold == pytest.approx(0.719, abs=1e-3)
    assert step.match_probability(step.threshold) == pytest.approx(0.632, abs=0.02)
    assert step.match_probability(0.5) < 0.06 < 0.98 < step.match_probability(0.85)


def test_a_reprint_is_dropped_and_different_short_texts_are_kept(tmp_path):
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
def test_keys_are_the_bands_of_the_minhash_of_all_shingles(shingle):
    from rensa import RMinHash

    draw, step = random.Random(shingle), NearDuplicates(bands=3, rows=4, shingle=shingle)
    counts = [*range(20), 200, 0, 0, 1, 3]
    said = [draw.choices(["a", "bc", "déjà", "x", "中", "of nine", *WORDS[:9]], k=count) for count in counts]
    words = [normalized_words(" ".join(each)) for each in said]
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
    """The polynomial, computed word by word."""
    value = 0
    for word in words:
        [number] = hash_spans(word + PADDING, np.array([0]), np.array([len(word)]))
        [mixed] = hash_ngrams(np.array([number]), 1).tolist()
        value = (value * BASE + mixed) % 2**64
    return value


def test_normalized_texts_are_the_normalized_words_joined_by_blanks():
    draw = random.Random(0)
    signs = ["a", "É", "1", " ", " ", "\n", "\t", ".", "-", "中", "e\u0301", "\u2028", "\xa0", "ß", "\ud800", "_", "İ"]
    texts = ["".join(draw.choices(signs, k=draw.randrange(12))) for _ in range(3000)]
    expected = [b" ".join(normalized_words(text)) for text in texts]
    assert normalized_texts(texts) == expected
    assert [each for text in texts for each in normalized_texts([text])] == expected
    assert normalized_texts([]) == []


def test_another_seed_gives_other_keys():
    documents = [Document("some text of many words", "")]
    assert NearDuplicates(seed=2).keys(documents) != NearDuplicates().keys(documents)


def alike(count: int, draw: random.Random) -> list[str]:
    """`count` texts, each a few words shorter than the previous one."""
    words = draw.choices(WORDS, k=400)
    return [" ".join(words[: 400 - 5 * number]) for number in range(count)]


@pytest.mark.parametrize(("keep", "kept"), [("first", "middle"), ("longest", "long"), ("best", "good")])
def test_the_requested_document_of_a_cluster_is_kept(keep, kept, tmp_path):
    long, middle, short = alike(3, random.Random(1))
    documents = [Document(middle, "middle"), Document(long, "long"), Document(f"{short} fine fine", "good")]
    quality = Fineness() if keep == "best" else None
    step = NearDuplicates(keep=keep, quality=quality)
    assert [
        document.id
        for document in FilteredSource({"x": Given(documents)}, filters={"near": step}, directory=str(tmp_path))
    ] == [kept]


class Fineness:
    """A stand-in for LearnedQuality."""

    def score(self, text: str) -> float:
        return text.count("fine")


def test_keep_best_needs_a_quality():
    with pytest.raises(ValueError, match=r"filter.keep=best and filter.quality=null: give both"):
        NearDuplicates(keep="best")
    with pytest.raises(ValueError, match=r"filter\.keep=longest and filter.quality=given"):
        NearDuplicates(keep="longest", quality=Fineness())


@pytest.mark.parametrize("step", [NearDuplicates, Duplicates])
def test_documents_of_an_earlier_corpus_are_not_kept_again(step, tmp_path):
    here, there, other = ["; ".join(alike(1, random.Random(seed))) for seed in range(3)]
    earlier = Given([Document(there, "old"), Document(other.upper(), "older")])
    documents = [Document(text, name) for name, text in (("here", here), ("there", f"{there}!"), ("other", other))]
    funnel = FilteredSource({"x": Given(documents)}, filters={"new": step(earlier=earlier)}, directory=str(tmp_path))
    assert [document.id for document in funnel] == ["here"]
    assert {each["detail"] for each in funnel.ledger.steps[0]["dropped"][step.reason]["examples"]} == {
        "as old",
        "as older",
    }
