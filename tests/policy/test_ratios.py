"""Ratios of tokens and of whole completions."""

import math

import torch

from lm.policy.ratios import sequence_mean_ratio, sequence_sum_ratio, token_ratio

OLD = torch.tensor([[-1.0, -2.0, -3.0], [-0.5, math.nan, math.inf]], dtype=torch.float64)
MASK = torch.tensor([[True, True, True], [True, False, False]])
DELTA = torch.tensor([[0.1, -0.3, 0.5], [0.2, 0.0, 0.0]], dtype=torch.float64)


def test_a_token_has_its_own_ratio_and_masked_ones_do_not_enter():
    found = token_ratio(OLD + DELTA, OLD, MASK)
    assert torch.allclose(found[0], DELTA[0].exp())
    assert torch.allclose(found[1], torch.tensor([0.2, 0, 0]).double().exp())


def test_the_ratio_of_a_completion_is_the_exponential_of_the_mean_or_of_the_sum():
    mean, total = sequence_mean_ratio(OLD + DELTA, OLD, MASK), sequence_sum_ratio(OLD + DELTA, OLD, MASK)
    assert torch.allclose(mean, torch.tensor([[0.1], [0.2]]).double().exp().expand(2, 3))
    assert torch.allclose(total, torch.tensor([[0.3], [0.2]]).double().exp().expand(2, 3))


def test_the_gradient_reaches_every_token_of_a_completion():
    for ratio, each in ((sequence_mean_ratio, 1 / 3), (sequence_sum_ratio, 1.0)):
        new = OLD[:1].clone().requires_grad_()
        ratio(new, OLD[:1], MASK[:1])[:, 0].sum().backward()
        assert torch.allclose(new.grad, torch.full((1, 3), each).double())


def test_a_huge_log_ratio_stays_finite():
    for ratio in (token_ratio, sequence_mean_ratio, sequence_sum_ratio):
        assert ratio(torch.tensor([[900.0]]), torch.tensor([[-900.0]]), torch.tensor([[True]])).isfinite().all()
