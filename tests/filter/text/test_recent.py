"""What was found out about a text is found again while it is recent, and held no longer."""

from lm.filter.text.recent import Recent


def test_a_text_is_looked_at_once_while_few_others_came_after_it():
    asked = []
    find = Recent(lambda text: asked.append(text) or text.upper(), room=10)
    texts = ["".join(letters) for letters in ("abcd", "efgh", "ij")]
    for _ in range(3):
        assert [find(text) for text in texts] == ["ABCD", "EFGH", "IJ"]
    assert asked == texts
    find("".join("k"))
    find(texts[2])
    assert asked == [*texts, "k"]
    find(texts[0])
    assert asked == [*texts, "k", "abcd"]


def test_another_text_in_the_place_of_one_that_is_gone_is_another():
    find = Recent(str.upper, room=4)
    for number in range(2000):  # each freed at once, so that the next often has its identity
        text = f"x{number}"
        assert find(text) == f"X{number}"


def test_one_larger_than_the_room_is_held_until_the_next():
    asked = []
    find = Recent(lambda text: asked.append(text) or len(text), room=4)
    large = "".join("too large")
    assert find(large) == find(large) == 9
    find("".join("next"))
    assert find(large) == 9
    assert asked == [large, "next", large]


def test_what_was_found_out_elsewhere_is_kept_like_the_rest():
    asked = []
    find = Recent(lambda text: asked.append(text) or len(text), room=8)
    texts = ["".join(letters) for letters in ("abcd", "efgh", "ijkl")]
    for _ in range(3):  # once
        find.keep(texts[0], 40)
    find.keep(texts[1], 41)
    assert (texts[0] in find, texts[2] in find) == (True, False)
    assert [find(text) for text in texts[:2]] == [40, 41]
    assert find(texts[2]) == 4
    assert [text in find for text in texts] == [False, True, True]
    assert asked == [texts[2]]
