"""The contract of rewards, and their weighted sum."""

import math

import pytest

from lm.reward import Answer, AnswerReward, RewardSum


class Length(AnswerReward):
    def score(self, answer):
        return float(len(answer.text))


class OfReference(AnswerReward):
    needs_reference = True

    def score(self, answer):
        return None if answer.reference is None else float(answer.text == answer.reference)


class Constant(AnswerReward):
    def __init__(self, value):
        self.value = value

    def score(self, answer):
        return self.value


def test_parts_are_summed_by_weight_and_returned_as_they_are():
    rewards = RewardSum({"right": OfReference(), "length": Length()}, weights={"length": -0.5})
    scores = rewards([Answer(text="ab", reference="ab"), Answer(text="abcd", reference="ab")])
    assert scores.total == [1 - 1.0, 0 - 2.0]
    assert scores.parts == {"right": [1.0, 0.0], "length": [2.0, 4.0]}


def test_an_answer_that_a_weighted_part_cannot_score_has_no_total():
    rewards = RewardSum({"right": OfReference(), "length": Length()})
    assert rewards([Answer(text="ab"), Answer(text="a", reference="a")]).total == [None, 2.0]


def test_a_part_of_weight_zero_is_logged_and_cannot_make_an_answer_unscorable():
    rewards = RewardSum({"right": OfReference(), "length": Length()}, weights={"right": 0})
    scores = rewards([Answer(text="ab")])
    assert (scores.total, scores.parts["right"]) == ([2.0], [None])
    assert not rewards.needs_reference


def test_unscorable_parts_are_skipped_where_asked_but_not_all_of_them():
    rewards = RewardSum({"right": OfReference(), "none": Constant(None)}, skip_unscorable=True)
    assert rewards([Answer(text="a", reference="a"), Answer(text="a")]).total == [1.0, None]


def test_a_sum_needs_references_if_no_answer_could_be_scored_without():
    parts = {"right": OfReference(), "length": Length()}
    assert RewardSum(parts).needs_reference
    assert not RewardSum(parts, skip_unscorable=True).needs_reference
    assert RewardSum({"right": OfReference()}, skip_unscorable=True).needs_reference


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", 1j])
def test_a_score_that_is_no_finite_number_is_refused_by_part_and_answer(value):
    words = r"^reward odd returns .* for answer 0 \(a\): return a finite number, or None where"
    with pytest.raises(ValueError, match=words):
        RewardSum({"odd": Constant(value)})([Answer(text="a")])
    read = Answer(text="it is " + "long " * 40, place="problems.jsonl:12")
    with pytest.raises(ValueError, match=r"for the answer to problems\.jsonl:12 \(it is (long )+…\): return"):
        RewardSum({"odd": Constant(value)}, weights={"odd": 0.1})([read])


def test_rewards_too_large_to_be_added_are_refused_by_part_weight_and_prompt():
    rewards = RewardSum({"huge": Constant(1e300), "length": Length()}, weights={"huge": 1e10})
    words = r"^the weighted rewards of the answer to p:3 \(b\) are too large to be added \(huge 1e\+300 × 1e\+10, l"
    with pytest.raises(ValueError, match=words):
        rewards([Answer(text="b", place="p:3")])


def test_a_part_with_another_number_of_scores_is_refused():
    class Short(Length):
        def __call__(self, answers):
            return super().__call__(answers)[1:]

    with pytest.raises(ValueError, match="reward short returns 1 scores for 2 answers"):
        RewardSum({"short": Short()})([Answer(text="a"), Answer(text="b")])


@pytest.mark.parametrize(
    ("parts", "weights", "message"),
    [
        ({}, {}, "reward.parts is empty: add a reward"),
        ({"a": Length()}, {"b": 1}, "reward.weights names b, which is no part: name one of a"),
        ({"a": Length()}, {"a": math.nan}, "reward.weights.a=nan is not a finite number"),
        ({"a": Length()}, {"a": 0}, "reward.weights are all 0"),
    ],
    ids=["no parts", "unknown weight", "weight nan", "weights 0"],
)
def test_sums_that_score_nothing_are_refused(parts, weights, message):
    with pytest.raises(ValueError, match=message):
        RewardSum(parts, weights=weights)


def test_no_answers_have_no_scores():
    assert RewardSum({"a": Length()})([]).total == []
