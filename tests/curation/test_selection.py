"""Selected conversations represent the rest as well as the theory says, within the quota of each task."""

from itertools import combinations

import numpy as np
import pytest

from lm.curation import Best, Diverse, Random, quotas, spherical_kmeans, tfidf_features

TOPICS = ["rivers flow to the sea", "numbers add and multiply", "cats sleep on warm roofs", "kings ruled old lands"]


def texts(each: int, seed: int = 0) -> list[str]:
    """Of four topics, in turns: words of one, in any order, with a word of their own."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(4 * each):
        words = TOPICS[number % 4].split()
        made.append(" ".join(draw.choice(words, size=6)) + f" item{number}")
    return made


def covered(vectors, chosen) -> float:
    return float(np.maximum(vectors @ vectors[chosen].T, 0).max(axis=1).sum())


def test_texts_that_share_words_are_similar_and_others_are_not():
    vectors = tfidf_features(texts(10))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    similarity = vectors @ vectors.T
    same = np.equal.outer(np.arange(40) % 4, np.arange(40) % 4) & ~np.eye(40, dtype=bool)
    assert similarity[same].mean() > similarity[~same & ~np.eye(40, dtype=bool)].mean() + 0.3
    assert not tfidf_features(["", "a b"])[0].any()
    assert tfidf_features([]).shape == (0, 512)


def test_a_rare_word_makes_texts_more_similar_than_a_common_one():
    common = [f"the common word and number{n}" for n in range(20)]
    rare, other, third = tfidf_features([*common, "the sphinx", "a sphinx", "the fox"])[-3:]
    assert rare @ other > rare @ third + 0.2


def test_a_frequent_word_does_not_outweigh_the_others():
    once, often = tfidf_features(["cat dog " + "x " * times for times in (1, 100)])
    assert once @ often > 0.3


def test_hashing_preserves_similarities():
    """Vectors of 512 places against vectors so long that next to no words collide."""
    near, far = (tfidf_features(texts(8), dim=dim) for dim in (512, 1 << 16))
    assert np.abs(near @ near.T - far @ far.T).max() < 0.25
    assert np.abs(near @ near.T - far @ far.T).mean() < 0.04


def test_the_selected_represent_all_nearly_as_well_as_the_optimum():
    for seed in range(5):
        vectors = tfidf_features(texts(4, seed))
        best = max(covered(vectors, list(each)) for each in combinations(range(16), 3))
        found = Diverse(seed=seed).select(vectors, None, 3)
        assert covered(vectors, found) >= (1 - np.exp(-1) - 0.01) * best
        assert len(set(found)) == 3


def test_four_of_four_topics_are_one_of_each_and_at_random_they_are_not():
    vectors = tfidf_features(texts(25))
    assert {place % 4 for place in Diverse().select(vectors, None, 4)} == {0, 1, 2, 3}
    drawn = [{place % 4 for place in Random(seed=seed).select(vectors, None, 4)} for seed in range(20)]
    assert any(len(each) < 4 for each in drawn)


def test_only_the_pool_of_highest_scores_is_selected_from():
    vectors, scores = tfidf_features(texts(25)), np.arange(100.0)
    assert min(Diverse(pool=0.2).select(vectors, scores, 4)) >= 80
    assert sorted(Diverse(pool=0.2).select(vectors, scores, 50)) == [*range(50, 100)]  # a pool smaller than the count
    assert Best().select(vectors, scores, 3) == [99, 98, 97]
    assert Best().select(vectors, np.zeros(100), 3) == [0, 1, 2]
    with pytest.raises(ValueError, match="difficulty=ifd"):
        Best().select(vectors, None, 3)
    for wrong in ({"pool": 0.0}, {"error": 0.0}, {"error": 1.0}):
        with pytest.raises(ValueError, match="above 0"):
            Diverse(**wrong)


@pytest.mark.parametrize("selection", [Diverse(), Random(), Diverse(error=0.5, seed=3)])
@pytest.mark.parametrize("count", [0, 1, 39, 40, 100])
def test_as_many_as_requested_are_selected_and_none_twice(selection, count):
    vectors = tfidf_features(texts(10))
    found = selection.select(vectors, None, count)
    assert len(found) == len(set(found)) == min(count, 40)
    assert found == selection.select(vectors, None, count)


def test_clusters_are_the_topics():
    belongs = spherical_kmeans(tfidf_features(texts(25)), count=4, seed=0)
    assert len({(place % 4, group) for place, group in enumerate(belongs.tolist())}) == 4
    assert (
        len(set(spherical_kmeans(tfidf_features(texts(1)), count=16, seed=0).tolist())) == 4
    )  # no more than there are texts
    assert set(spherical_kmeans(np.zeros((5, 8), np.float32), count=3, seed=0).tolist()) == {0}


def test_quotas_add_up_and_are_as_even_as_can_be():
    draw = np.random.default_rng(0)
    for _ in range(300):
        sizes = {f"t{number}": int(draw.integers(1, 50)) for number in range(draw.integers(1, 9))}
        count = int(draw.integers(0, sum(sizes.values()) + 10))
        for equal in (False, True):
            got = quotas(sizes, count, equal=equal)
            assert sum(got.values()) == min(count, sum(sizes.values()))
            assert all(0 <= got[task] <= sizes[task] for task in sizes)
        open_to = [got[task] for task in sizes if got[task] < sizes[task]]
        assert not open_to or max(got.values()) - min(open_to) <= 1
        proportional = quotas(sizes, count, equal=False)
        exact = {task: min(count, sum(sizes.values())) * size / sum(sizes.values()) for task, size in sizes.items()}
        assert all(abs(proportional[task] - exact[task]) < 1 for task in sizes)
