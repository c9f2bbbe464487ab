"""Examples are drawn by seed and question alone, and are never the question itself."""

import pytest

from lm.evaluation import Item, Shots

POOL = [Item({"n": n}, f"a.jsonl:{n}") for n in range(20)]


def test_the_question_is_never_among_its_examples():
    for seed in range(20):
        for item in POOL:
            drawn = Shots(count=5, seed=seed).draw(item, POOL)
            assert len(drawn) == len({each.id for each in drawn}) == 5
            assert item.id not in {each.id for each in drawn}


def test_draws_follow_from_seed_and_question():
    shots = Shots(count=4)
    assert shots.draw(POOL[3], POOL) == Shots(count=4).draw(POOL[3], POOL)
    assert shots.draw(POOL[3], POOL) != shots.draw(POOL[4], POOL)
    assert shots.draw(POOL[3], POOL) != Shots(count=4, seed=2).draw(POOL[3], POOL)
    assert Shots().draw(POOL[3], POOL) == []


def test_copies_of_the_question_are_no_examples():
    pool = [POOL[0]] * 10 + POOL[1:4]
    assert {each.id for each in Shots(count=3).draw(POOL[0], pool)} == {each.id for each in POOL[1:4]}


def test_too_few_items_are_told():
    with pytest.raises(ValueError, match=r"evaluation\.shots\.count=5: there are only 2 items besides a\.jsonl:0"):
        Shots(count=5).draw(POOL[0], POOL[:3])
