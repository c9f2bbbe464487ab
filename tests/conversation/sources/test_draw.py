"""Draws are the same in every process and differ between names."""

from lm.conversation.sources.draw import Draw


def test_draws_depend_on_the_name_and_the_salt():
    first = [Draw("a")(salt, 1000) for salt in "xyz"]
    assert first == [Draw("a")(salt, 1000) for salt in "xyz"]
    assert first != [Draw("b")(salt, 1000) for salt in "xyz"]
    assert sorted(Draw("a").shuffled("x", [1, 2, 3])) == [1, 2, 3]
    assert Draw("a").pick("x", []) is None
    assert Draw("a").some("x", [], 2) == []
    assert len(Draw("a").some("x", range(1000), 3)) == 3
    assert Draw("abc").choose(("one", "two")) in ("one", "two")
