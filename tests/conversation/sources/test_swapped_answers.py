"""Swapped answers are those of other questions of the task, as many as were asked for, the same in every run."""

import pytest

from lm.conversation.sources import Sums, SwappedAnswers


def pairs(source):
    return {talk.messages[0].content: talk.messages[-1].content for talk in source}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_has_the_answer_of_another_question(share):
    clean, noisy = pairs(Sums(count=500)), pairs(SwappedAnswers(Sums(count=500), share=share))
    assert [*clean] == [*noisy]
    assert {*noisy.values()} <= {*clean.values()}
    wrong = sum(clean[question] != answer for question, answer in noisy.items())
    assert wrong / 500 == pytest.approx(share, abs=0.06)


def test_it_is_the_same_in_every_run_and_holds_out_the_same():
    talks = [*SwappedAnswers(Sums(count=200), share=0.5)]
    assert talks == [*SwappedAnswers(Sums(count=200), share=0.5)]
    assert [talk.key for talk in talks] == [talk.key for talk in Sums(count=200)]
    prints = {SwappedAnswers(Sums(count=count), share=share).fingerprint() for count in (2, 3) for share in (0.1, 0.2)}
    assert len(prints) == 4
