"""Advantages equal the published tables, and neither masked values nor unscorable completions enter them."""

import math

import pytest
import torch

from lm.policy.advantages import generalized_advantages, group_relative, leave_one_out, spread, whiten

nan = math.nan


def rows(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_one_of_four_solved_gives_the_published_advantages():
    rewards = rows([1, 0, 0, 0])
    third = 1 / 3
    assert group_relative(rewards, divide_by_deviation=False)[0].tolist() == [0.75, -0.25, -0.25, -0.25]
    assert group_relative(rewards, divide_by_deviation=True)[0].tolist() == pytest.approx(
        [1.5, -0.5, -0.5, -0.5], abs=1e-3
    )
    assert leave_one_out(rewards)[0].tolist() == pytest.approx([1, -third, -third, -third], abs=1e-15)


def test_leaving_one_out_is_the_relative_advantage_times_g_over_g_less_one():
    rewards = torch.randn(5, 4, dtype=torch.float64)
    torch.testing.assert_close(leave_one_out(rewards), group_relative(rewards, divide_by_deviation=False) * 4 / 3)


@pytest.mark.parametrize(
    "estimate",
    [
        lambda r: group_relative(r, divide_by_deviation=False),
        lambda r: group_relative(r, divide_by_deviation=True),
        leave_one_out,
    ],
    ids=["group", "group over deviation", "leave one out"],
)
def test_an_unscorable_completion_leaves_the_baseline_and_has_no_advantage(estimate):
    found = estimate(rows([1, nan, 0, 0.25], [nan, nan, nan, nan], [nan, 3, nan, nan]))
    assert found[0, 1] == 0
    assert torch.equal(found[0, [0, 2, 3]], estimate(rows([1, 0, 0.25]))[0])
    assert found[1:].tolist() == [[0] * 4] * 2


def test_equal_rewards_have_no_advantage_and_a_group_of_one_has_the_deviation_one():
    for divide in (False, True):
        assert group_relative(rows([0.3] * 4, [1] * 4), divide_by_deviation=divide).abs().max() < 1e-12
        assert group_relative(rows([5]), divide_by_deviation=divide).tolist() == [[0]]


def test_whitening_is_over_the_mask_and_over_all_ranks():
    values = torch.randn(6, 5, dtype=torch.float64) * 3 + 1e6
    mask = torch.rand(6, 5) < 0.6
    mask[3] = False
    spoiled = values.where(mask, torch.tensor(nan).double())
    found = whiten(spoiled, mask)
    expected = (values[mask] - values[mask].mean()) / (values[mask].std() + 1e-4)
    torch.testing.assert_close(found[mask], expected, rtol=0, atol=1e-7)
    assert (found[~mask] == 0).all()
    parts = []

    def over_ranks(mine):  # two ranks, one after the other: each is told the sums of both
        parts.append(mine)
        return sums[len(parts) - 1]

    halves = slice(0, 3), slice(3, 6)
    count, mean = mask.sum().double(), values[mask].mean()
    sums = [count, values[mask].sum(), (values[mask] - mean).square().sum()] * 2
    both = torch.cat([whiten(spoiled[half], mask[half], over_ranks=over_ranks) for half in halves])
    torch.testing.assert_close(both, found, rtol=0, atol=1e-9)
    assert [float(part) for part in parts[::3]] == [mask[half].sum() for half in halves]


def test_generalized_advantages_equal_the_published_ones():
    mask = torch.ones(1, 3, dtype=torch.bool)
    options = {"discount": 1.0, "trace": 0.95, "finished": torch.tensor([True])}
    found = generalized_advantages(rows([0, 0, 1]), rows([0.5, 0.5, 0.5]), mask, **options)
    assert found[0].tolist() == pytest.approx([0.45125, 0.475, 0.5], abs=1e-12)


@pytest.mark.parametrize("finished", [True, False])
def test_generalized_advantages_equal_the_sum_of_discounted_errors(finished):
    rewards, values = torch.randn(2, 4, 6, dtype=torch.float64)
    lengths = torch.tensor([6, 1, 4, 0])
    mask = torch.arange(6) < lengths[:, None]
    found = generalized_advantages(rewards, values, mask, discount=0.9, trace=0.7, finished=torch.full((4,), finished))
    for row, length in enumerate(lengths.tolist()):
        after = 0.0 if finished or not length else float(values[row, length - 1])
        known = [*values[row, :length].tolist(), after]
        errors = [float(rewards[row, t]) + 0.9 * known[t + 1] - known[t] for t in range(length)]
        expected = [sum((0.9 * 0.7) ** (s - t) * errors[s] for s in range(t, length)) for t in range(length)]
        assert found[row].tolist() == pytest.approx([*expected, *[0.0] * (6 - length)], abs=1e-12)


def test_masked_values_do_not_leak_into_generalized_advantages():
    mask = torch.tensor([[True, True, False]])
    options = {"discount": 1.0, "trace": 0.95, "finished": torch.tensor([True])}
    spoiled = generalized_advantages(rows([0, 1, nan]), rows([0, 0, 100]), mask, **options)
    assert torch.equal(spoiled, generalized_advantages(rows([0, 1, 0]), rows([0, 0, 0]), mask, **options))
    assert spoiled[0].tolist() == pytest.approx([0.95, 1, 0])


def test_a_truncated_completion_goes_on_and_a_finished_one_does_not():
    mask = torch.ones(2, 1, dtype=torch.bool)
    found = generalized_advantages(
        rows([1], [1]), rows([0.5], [0.5]), mask, discount=0.5, trace=1.0, finished=torch.tensor([True, False])
    )
    assert found[:, 0].tolist() == [0.5, 0.75]


def test_the_advantage_of_a_row_stands_at_each_of_its_tokens():
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert spread(torch.tensor([2.0, nan]), mask).tolist() == [[2, 2, 0], [0, 0, 0]]
