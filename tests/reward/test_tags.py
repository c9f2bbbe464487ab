"""Answers between tags."""

import pytest

from lm.reward import AfterThoughts, Answer, ExactAnswer, NumericAnswer, TagFormat, Tagged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>3 + 4</think><answer>7</answer>", 1),
        (" <think>a\nb</think>\n<answer>7</answer>\n", 1),
        ("<think></think><answer>7</answer>", 0),
        ("<think></think>a", 0),
        ("<think>a</think>7", 0),
        ("<answer>7</answer><think>a</think>", 0),
        ("<think>a</think><answer>7</answer><answer>8</answer>", 0),
        ("<think>a</think><answer><answer>7</answer></answer>", 0),
        ("<think>a<answer>7</answer></think>", 0),
        ("<think>a</think><answer>7", 0),
        ("so <think>a</think><answer>7</answer>", 0),
        ("", 0),
        ("<think>" * 2_000, 0),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_form_has_each_tag_once_in_order_and_filled(text, expected):
    assert TagFormat(["think", "answer"]).score(Answer(text=text)) == expected


def test_text_outside_the_tags_is_allowed_where_asked():
    assert TagFormat(["answer"], only=False).score(Answer(text="so <answer>7</answer>.")) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<answer>7</answer>", 1),
        ("8 <answer> 7 </answer> 9", 1),
        ("7", 0),
        ("<answer>7</answer><answer>8</answer>", 0),
        ("<answer><answer>7</answer></answer>", 0),
        ("</answer>7<answer>", 0),
        ("<answer>7", 0),
        ("<answer></answer>7", 0),
        ("", 0),
    ],
)
def test_only_what_one_tag_contains_is_scored(text, expected):
    assert Tagged(ExactAnswer())([Answer(text=text, reference="7")]) == [expected]


def test_a_tag_that_is_opened_twice_names_no_answer():
    assert Tagged(NumericAnswer())([Answer(text="<answer>6 <answer>7</answer>", reference="7")]) == [0]


def test_what_the_inner_reward_cannot_score_stays_unscorable():
    tagged = Tagged(NumericAnswer())
    assert tagged.needs_reference
    assert tagged([Answer(text="7"), Answer(text="<answer>7</answer>")]) == [None, None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>8</think>7", 1),
        ("<think></think>7", 1),
        ("7", 1),
        ("<think>7", 0),
        ("<think>7</think>", 0),
        ("7<think>8</think>", 0),
        ("<think><think>8</think>8</think>7", 1),
        ("<think>8</think>8<think>7", 0),
        ("", 0),
    ],
)
def test_thoughts_are_no_part_of_the_answer(text, expected):
    assert AfterThoughts(ExactAnswer())([Answer(text=text, reference="7")]) == [expected]


@pytest.mark.parametrize("tags", [["<think>"], [""], ["a b"]])
def test_a_tag_is_named_without_brackets(tags):
    with pytest.raises(ValueError, match="is not the name of a tag: write answer for <answer>"):
        TagFormat(tags)
    with pytest.raises(ValueError, match="is not the name of a tag"):
        Tagged(ExactAnswer(), tag=tags[0])


def test_no_tags_and_a_tag_twice_are_refused():
    with pytest.raises(ValueError, match=r"reward\.tags is empty"):
        TagFormat([])
    with pytest.raises(ValueError, match=r"reward\.tags has a twice"):
        TagFormat(["a", "a"])
