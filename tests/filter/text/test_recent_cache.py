"""Results about a text are cached while it is recent."""

from lm.filter.text.recent_cache import RecentCache


def test_a_recent_text_is_computed_once():
    computed = []
    cache = RecentCache(lambda text: computed.append(text) or text.upper(), capacity=10)
    texts = ["".join(letters) for letters in ("abcd", "efgh", "ij")]
    for _ in range(3):
        assert [cache(text) for text in texts] == ["ABCD", "EFGH", "IJ"]
    assert computed == texts
    cache("".join("k"))
    cache(texts[2])
    assert computed == [*texts, "k"]
    cache(texts[0])
    assert computed == [*texts, "k", "abcd"]


def test_a_new_text_with_the_id_of_an_evicted_one_is_computed():
    cache = RecentCache(str.upper, capacity=4)
    for number in range(2000):  # each freed at once, so that the next often has its identity
        text = f"x{number}"
        assert cache(text) == f"X{number}"


def test_a_text_larger_than_the_capacity_is_held_until_the_next():
    computed = []
    cache = RecentCache(lambda text: computed.append(text) or len(text), capacity=4)
    large = "".join("too large")
    assert cache(large) == cache(large) == 9
    cache("".join("next"))
    assert cache(large) == 9
    assert computed == [large, "next", large]


def test_a_stored_result_is_evicted_like_the_others():
    computed = []
    cache = RecentCache(lambda text: computed.append(text) or len(text), capacity=8)
    texts = ["".join(letters) for letters in ("abcd", "efgh", "ijkl")]
    for _ in range(3):  # once
        cache.put(texts[0], 40)
    cache.put(texts[1], 41)
    assert (texts[0] in cache, texts[2] in cache) == (True, False)
    assert [cache(text) for text in texts[:2]] == [40, 41]
    assert cache(texts[2]) == 4
    assert [text in cache for text in texts] == [False, True, True]
    assert computed == [texts[2]]
