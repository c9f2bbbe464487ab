"""Generated items are the same in every run, right by a check of their own, and asked like any other."""

import pytest

from lm.evaluation import Brackets, SumItems

CLOSING = {"(": ")", "[": "]", "{": "}"}


def fields(reader):
    return [item.fields for item in reader.read("made", key="evaluation.path")]


def test_a_row_of_brackets_is_closed_by_its_gold_bracket():
    items = fields(Brackets(count=300, depth=4, pairs=3))
    depths, golds = set(), set()
    for item in items:
        open_now = []
        for each in item["query"]:
            if each in CLOSING:
                open_now.append(each)
            else:
                assert CLOSING[open_now.pop()] == each
        depths.add(len(open_now))
        golds.add(item["gold"])
        assert item["choices"][item["gold"]] == CLOSING[open_now[-1]]
    assert depths == {1, 2, 3, 4}
    assert golds == {0, 1, 2}


def test_the_gold_number_is_the_sum_and_the_others_are_not():
    for item in fields(SumItems(count=300, digits=2)):
        left, right = map(int, item["query"].removesuffix(" =").split(" + "))
        assert [int(each) == left + right for each in item["choices"]].count(True) == 1
        assert int(item["choices"][item["gold"]]) == left + right
        assert len({*item["choices"]}) == 4


@pytest.mark.parametrize("kind", [Brackets, SumItems])
def test_items_are_the_same_in_every_run_and_have_places(kind):
    assert fields(kind(count=20)) == fields(kind(count=30))[:20]
    assert [item.place for item in kind(count=2).read("made", key="")] == ["made 1", "made 2"]
    assert kind(count=2).records("a", key="").identity() == kind(count=2).records("b", key="").identity()
    assert kind(count=2).records("a", key="").identity() != kind(count=3).records("a", key="").identity()
