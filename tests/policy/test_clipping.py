"""The surrogate's value and where its gradient is on equal the published table."""

import pytest
import torch

from lm.policy.clipping import cispo, clip, clipped_value_loss, unclipped


def evaluated(part, ratio: float, advantage: float, **options):
    """Objective, gradient with respect to the log-probability, and whether it is reported as off."""
    log_probability = torch.tensor([[-1.0]], dtype=torch.float64, requires_grad=True)
    ratios = torch.exp(log_probability + 1) * ratio
    loss, off = part(ratios, torch.tensor([[advantage]]).double(), log_probability, **options)
    loss.sum().backward()
    return -loss.item(), -log_probability.grad.item(), off.item()


@pytest.mark.parametrize(
    ("advantage", "ratio", "objective", "on"),
    [
        (1, 0.5, 0.5, True),
        (1, 1, 1, True),
        (1, 2, 1.2, False),
        (-1, 0.5, -0.8, False),
        (-1, 1, -1, True),
        (-1, 2, -2, True),
    ],
)
def test_the_objective_of_ppo_and_its_gradient(advantage, ratio, objective, on):
    value, gradient, off = evaluated(clip, ratio, advantage, low=0.2, high=0.2)
    assert value == pytest.approx(objective)
    assert gradient == pytest.approx(advantage * ratio if on else 0)
    assert off is not on


def test_the_dual_clip_limits_what_a_negative_advantage_pushes():
    assert evaluated(clip, 4, -1, dual=3.0) == (pytest.approx(-3), 0, True)
    assert evaluated(clip, 2.5, -1, dual=3.0) == (pytest.approx(-2.5), pytest.approx(-2.5), False)
    assert evaluated(clip, 4, 1, dual=3.0)[0] == pytest.approx(1.2)
    with pytest.raises(ValueError, match=r"objective\.clipping\.dual=1 is not more than 1"):
        evaluated(clip, 1, 1, dual=1)


def test_a_higher_upper_bound_lets_likelier_tokens_grow():
    assert evaluated(clip, 1.25, 1, high=0.28)[1:] == (pytest.approx(1.25), False)
    assert evaluated(clip, 1.25, 1)[1:] == (0, True)


def test_no_advantage_is_neither_clipped_nor_pushed():
    for part in (clip, unclipped, cispo):
        assert evaluated(part, 1.1, 0) == (0, 0, False)


def test_cispo_limits_the_weight_and_keeps_the_gradient():
    for ratio, weight in ((0.5, 0.5), (2, 2), (9, 5)):
        for advantage in (1, -1):
            value, gradient, off = evaluated(cispo, ratio, advantage)
            assert value == pytest.approx(weight * advantage * -1)
            assert gradient == pytest.approx(weight * advantage)
            assert off == (ratio > 5)


def test_without_a_clip_the_gradient_is_always_on():
    for ratio in (0.1, 1, 30):
        assert evaluated(unclipped, ratio, -2) == (pytest.approx(-2 * ratio), pytest.approx(-2 * ratio), False)


def test_a_value_that_moved_beyond_the_clip_is_not_rewarded_for_it():
    values = torch.tensor([0.05, 0.5], dtype=torch.float64, requires_grad=True)
    loss = clipped_value_loss(values, torch.zeros(2), torch.ones(2), clip=0.2)
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([0.5 * 0.95**2, 0.5 * 0.8**2])
    assert values.grad.tolist() == pytest.approx([-0.95, 0])
    assert clipped_value_loss(values, torch.zeros(2), torch.ones(2), clip=None)[1].item() == pytest.approx(0.125)
