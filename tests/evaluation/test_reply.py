"""Replies depend on item, seed and sample alone; metrics compare them as the published scripts do."""

import pytest

from lm.evaluation import F1, ExactMatch, Replied, Reply, Rewarded, WordMatch
from lm.evaluation.question import Asked
from lm.evaluation.reply_metrics import word_overlap, words
from lm.generation import Generator, Sampling
from lm.reward import NumericAnswer
from support.asked import asking, item, network, tokenizer

STRICT = ExactMatch(pattern=r"#### (\-?[0-9\.\,]+)", ignore_case=True, remove=[",", r"\$", "(?s).*#### ", r"\.$"])
FLEXIBLE = ExactMatch(
    pattern=r"(-?[$0-9.,]{2,})|(-?[0-9]+)", last=True, ignore_case=True, remove=[",", r"\$", "(?s).*#### ", r"\.$"]
)
GOLD = "She sold 1,000 + 200.\n#### 1,200"


def reply(**options) -> Reply:
    given = {"prompt": "{{ q }}", "answers": "{{ a }}", "metrics": {"exact": WordMatch()}, "max_tokens": 5}
    return Reply(**{**given, "sampling": Sampling(temperature=0), **options})


ITEMS = [item(q=f"the cat {n}" * (1 + n % 3), a=["yes"]) for n in range(7)]


def test_a_reply_is_what_the_generator_says_and_is_compared():
    found = reply(rows=3).ask([Asked(each) for each in ITEMS], asking())
    for each, one in zip(found, ITEMS, strict=True):
        prompt = tokenizer().encode(one.fields["q"])
        (said,) = Generator(network(), tokenizer()).generate([prompt], sampling=Sampling(temperature=0), max_tokens=5)
        assert each.shown["reply"] == said.text
        assert each.values == {"exact": WordMatch()(Replied(said.text, ("yes",)))}


def test_drawn_replies_depend_neither_on_batch_nor_on_order():
    drawing = {"sampling": Sampling(temperature=1.0), "seed": 3}
    one = reply(rows=2, **drawing).ask([Asked(each) for each in ITEMS], asking())
    two = reply(rows=7, **drawing).ask([Asked(each) for each in ITEMS[::-1]], asking())[::-1]
    assert [each.shown["reply"] for each in one] == [each.shown["reply"] for each in two]
    other = reply(rows=2, **{**drawing, "seed": 4}).ask([Asked(each) for each in ITEMS], asking())
    assert [each.shown["reply"] for each in one] != [each.shown["reply"] for each in other]


def test_a_prompt_is_cut_on_the_left_to_leave_room_for_the_reply():
    long = item(q="the cat sat on the mat " * 20, a=["yes"])
    (found,) = reply().ask([Asked(long)], asking())
    assert found.cut
    prompt = tokenizer().encode(long.fields["q"])[-(64 - 5) :]
    (said,) = Generator(network(), tokenizer()).generate([prompt], sampling=Sampling(temperature=0), max_tokens=5)
    assert found.shown["reply"] == said.text


@pytest.mark.parametrize(
    ("text", "strict", "flexible", "numeric"),
    [
        ("so\n#### 1200", 1, 1, 1),
        ("so\n#### 1,200.", 1, 1, 1),
        ("it is $1,200.", 0, 1, 1),
        ("#### 1200 and then 5", 1, 0, 0),
        ("#### 12 #### 1200", 0, 1, 1),
        ("1200.0", 0, 0, 1),  # strings in the harness, a number with us
        ("none", 0, 0, 0),
    ],
)
def test_numbers_of_gsm8k_are_read_as_in_lm_evaluation_harness(text, strict, flexible, numeric):
    said = Replied(text, (GOLD,))
    assert (STRICT(said), FLEXIBLE(said)) == (strict, flexible)
    assert Rewarded(NumericAnswer())(said) == numeric


@pytest.mark.parametrize(
    ("text", "answers", "exact", "f1"),
    [
        ("The Eiffel Tower!", ("eiffel tower",), 1, 1.0),
        ("eiffel tower in paris", ("the Eiffel Tower", "tower"), 0, 2 / 3),
        ("tower tower", ("tower",), 0, 2 / 3),
        ("london", ("paris",), 0, 0.0),
        ("", (), 1, 1.0),
        ("paris", (), 0, 0.0),
        ("the", ("a",), 1, 1.0),
    ],
)
def test_words_are_compared_as_in_squad(text, answers, exact, f1):
    said = Replied(text, answers)
    assert WordMatch()(said) == exact
    assert F1()(said) == pytest.approx(f1)


def test_an_answer_within_a_reply_counts_where_asked_by_whole_words():
    assert WordMatch(within=True)(Replied("It was the Eiffel Tower, I think", ("Eiffel tower",))) == 1
    assert WordMatch(within=True)(Replied("towers", ("tower",))) == 0
    assert words("An  apple's, a day") == ["apples", "day"]
    assert word_overlap("a b c", "b c d") == pytest.approx(0.8 if "a" not in words("a b c") else 2 / 3)


def test_a_pattern_that_is_not_regular_is_refused():
    with pytest.raises(ValueError, match=r"evaluation\.pattern '\(' is not a regular expression"):
        ExactMatch(pattern="(")
