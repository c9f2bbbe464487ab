"""A model that copies has no loss on the second reading; one that does not has the same on both."""

from math import log

import pytest
import torch

from lm.evaluation import CopyScore
from lm.model import Projection
from support.asked import network, tokenizer


class Copier:
    """Predicts what followed the last occurrence of a token, else anything."""

    context, training = 64, False
    projection = Projection(torch.eye(tokenizer().vocab_size, dtype=torch.float64))

    def hidden(self, tokens):
        logits = torch.zeros(*tokens.shape, tokenizer().vocab_size, dtype=torch.float64)
        for row, text in enumerate(tokens.tolist()):
            followed = {}
            for place, token in enumerate(text):
                if place:
                    followed[text[place - 1]] = token
                if token in followed:
                    logits[row, place, followed[token]] = 50.0
        return logits

    def eval(self):
        return self

    def train(self, mode):
        return self


def test_a_copier_gains_all_and_copies_all():
    found = CopyScore(lengths=[8], sequences=20)(Copier(), tokenizer())["8"]
    assert found["first"] == pytest.approx(log(tokenizer().vocab_size), rel=0.3)
    assert found["second"] < 0.2 * found["first"]
    assert found["copied"] > 0.85  # but where a token occurs twice in the first reading
    low, high = found["interval"]
    assert low <= found["gain"] <= high
    assert found["gain"] == pytest.approx(found["first"] - found["second"])


def test_a_random_model_gains_nothing_beyond_noise():
    found = CopyScore(lengths=[16], sequences=40)(network(), tokenizer())["16"]
    assert abs(found["gain"]) < 0.1 * found["first"]
    assert found["copied"] < 0.1


def test_lengths_that_do_not_fit_twice_are_left_out():
    scores = CopyScore(lengths=[8, 33, 8], sequences=2)
    assert scores(network(), tokenizer()).keys() == {"8"}
    assert "copying, tokens" in scores.table(scores(network(), tokenizer()))
    with pytest.raises(ValueError, match=r"evaluation\.lengths=\[33\]: none fits twice into the context of 64"):
        CopyScore(lengths=[33])(network(), tokenizer())
    with pytest.raises(ValueError, match=r"at least 2 tokens"):
        CopyScore(lengths=[1])


def test_scores_follow_from_the_seed():
    one, two = (CopyScore(lengths=[8], sequences=3, seed=seed)(network(), tokenizer()) for seed in (0, 0))
    assert one == two
    assert CopyScore(lengths=[8], sequences=3, seed=1)(network(), tokenizer()) != one
