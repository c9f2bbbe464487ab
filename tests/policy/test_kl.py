"""The gradient of each estimate of the KL divergence, in expectation over the policy, on three tokens."""

from functools import partial

import pytest
import torch

from lm.policy.kl import Penalty, k1, k2, k3, ratio_k3

POLICY = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
REFERENCE = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
FORWARD = [0.346243, -0.220389, -0.125854]  # of KL(policy ‖ reference)


def expected(estimator, sampled_by: torch.Tensor) -> tuple[float, list[float]]:
    """Mean of an estimate over tokens of `sampled_by`, and the mean of its gradient by logits."""
    logits = POLICY.log().clone().requires_grad_()
    policy = logits.log_softmax(-1)
    values = estimator(policy[None], REFERENCE.log()[None], sampled_by.log()[None])[0]
    value = (sampled_by * values).sum()
    value.backward()
    return float(value.detach()), logits.grad.tolist()


@pytest.mark.parametrize(
    ("estimator", "gradient"),
    [(k1, [0, 0, 0]), (k2, FORWARD), (k3, [0.3, -0.2, -0.1]), (ratio_k3, FORWARD)],
    ids=["k1", "k2", "k3", "ratio k3"],
)
def test_gradients_of_the_estimates_are_the_published_ones(estimator, gradient):
    assert expected(estimator, POLICY)[1] == pytest.approx(gradient, abs=1e-6)


def test_k1_and_k3_are_unbiased():
    assert expected(k1, POLICY)[0] == pytest.approx(0.223805, abs=1e-6)
    assert expected(k3, POLICY)[0] == pytest.approx(0.223805, abs=1e-6)


def test_the_ratio_makes_k3_right_for_tokens_of_older_weights():
    value, gradient = expected(ratio_k3, torch.tensor([0.6, 0.2, 0.2], dtype=torch.float64))
    assert value == pytest.approx(0.223805, abs=1e-6)
    assert gradient == pytest.approx(FORWARD, abs=1e-6)


@pytest.mark.parametrize(
    ("estimator", "in_reward", "words"),
    [
        (k1, False, "k1 in the loss has a gradient of mean 0"),
        (k3, False, "k3 in the loss has the gradient of KL"),
        (partial(k3), False, "set objective/kl=loss"),
        (k2, True, "k2 in the reward is biased"),
        (ratio_k3, True, "set objective/kl=reward"),
    ],
    ids=["k1 loss", "k3 loss", "factory", "k2 reward", "ratio reward"],
)
def test_estimates_in_the_wrong_place_are_refused(estimator, in_reward, words):
    with pytest.raises(ValueError, match=words):
        Penalty(coefficient=0.1, in_reward=in_reward, estimator=estimator)


def test_estimates_in_their_place_are_taken():
    for estimator, in_reward in ((k1, True), (k2, False), (ratio_k3, False)):
        assert Penalty(coefficient=0.1, in_reward=in_reward, estimator=estimator).coefficient == 0.1
