"""A scorer of unwanted text as a reward, and word lists as a scorer."""

import pytest

from lm.filter import WordScorer
from lm.reward import Answer, ScoredText


class Fixed:
    name = "fixed"

    def __init__(self, *scores):
        self.scores = scores

    def __call__(self, texts):
        return self.scores[: len(texts)]


def test_the_reward_is_minus_the_score():
    assert ScoredText(Fixed(0, 0.25, 1))([Answer(text="")] * 3) == [0, -0.25, -1]


def test_scores_above_the_threshold_cost_1():
    assert ScoredText(Fixed(0.4, 0.5, 0.6), threshold=0.5)([Answer(text="")] * 3) == [0, 0, -1]


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.5])
def test_a_scorer_outside_0_to_1_is_refused_by_name(score):
    with pytest.raises(ValueError, match=r"scorer fixed returns .* not a number from 0 to 1"):
        ScoredText(Fixed(score))([Answer(text="a")])


def test_listed_words_are_counted_up_to_a_full_score(tmp_path):
    (tmp_path / "list.txt").write_text("brute\nold fool\n")
    texts = ["kind words", "You brute", "BRUTE, you old-fool", "brutes", "", "brute " + "word " * 2000]
    assert WordScorer(path=str(tmp_path / "list.txt"))(texts) == [0, 1, 1, 0, 0, 1]
    scorer = WordScorer(path=str(tmp_path / "*.txt"), full=4)
    assert scorer(texts[:3]) == [0, 0.25, 0.5]
    assert scorer.name.startswith("word list list.txt ")
    assert scorer.name != WordScorer(path=str(tmp_path / "*.txt"), full=3).name


def test_an_empty_list_is_refused_by_its_key(tmp_path):
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"^scorer\.path .*list\.txt has no words"):
        WordScorer(path=str(tmp_path / "list.txt"))
