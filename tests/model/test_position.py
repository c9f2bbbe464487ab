"""Rotary positions encode distances and nothing else."""

import pytest
import torch

from lm.model import LearnedPositions, Rotary
from lm.model.position import rotate

HEAD_DIM = 8


def some_features(seed: int) -> torch.Tensor:
    return torch.randn(1, 1, 1, HEAD_DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at(features: torch.Tensor, position: int) -> torch.Tensor:
    return rotate(features, Rotary(HEAD_DIM)(torch.tensor([[position]])))


def test_scores_depend_on_the_distance_only():
    query, key = some_features(0), some_features(1)
    near = (at(query, 7) * at(key, 4)).sum()
    torch.testing.assert_close((at(query, 1007) * at(key, 1004)).sum(), near, atol=1e-3, rtol=0)
    assert abs((at(query, 8) * at(key, 4)).sum() - near) > 1e-2


def test_position_zero_rotates_nothing_and_no_position_changes_a_norm():
    features = some_features(2)
    torch.testing.assert_close(at(features, 0), features)
    torch.testing.assert_close(at(features, 9).norm(), features.norm(), atol=1e-6, rtol=0)


def test_each_pair_rotates_by_its_own_angle():
    features = torch.zeros(1, 1, 1, HEAD_DIM)
    features[..., 1] = 1  # paired with feature 1 + 4, frequency theta ** (-2 / 8)
    turned, angle = at(features, 3).flatten(), torch.tensor(3 * 10_000 ** (-2 / 8))
    expected = torch.zeros(HEAD_DIM)
    expected[1], expected[5] = angle.cos(), angle.sin()
    torch.testing.assert_close(turned, expected)


def test_casting_a_model_keeps_positions_exact():
    exact = Rotary(HEAD_DIM)(torch.tensor([[1001]]))
    cast = Rotary(HEAD_DIM).to(torch.bfloat16)(torch.tensor([[1001]]))
    assert all(torch.equal(one, other) for one, other in zip(exact, cast, strict=True))


def test_theta_must_be_positive():
    with pytest.raises(ValueError, match=r"position\.theta 0"):
        Rotary(HEAD_DIM, theta=0)


def test_a_fraction_rotates_the_first_features_as_a_smaller_head_and_keeps_the_rest():
    features = some_features(3)
    turned = rotate(features, Rotary(HEAD_DIM, fraction=0.5)(torch.tensor([[7]])))
    torch.testing.assert_close(turned[..., :4], rotate(features[..., :4], Rotary(4)(torch.tensor([[7]]))))
    assert torch.equal(turned[..., 4:], features[..., 4:])


@pytest.mark.parametrize(
    ("fraction", "message"), [(0.0, "rotates no pair"), (1.5, "rotates no pair"), (0.4, "0.4 of head_dim 8 is odd")]
)
def test_an_impossible_fraction_is_refused(fraction, message):
    with pytest.raises(ValueError, match=message):
        Rotary(HEAD_DIM, fraction=fraction)


def test_learned_positions_are_looked_up_and_padding_beyond_them_is_harmless():
    table = LearnedPositions(4, 3)
    assert torch.equal(table(torch.tensor([[0, 3, 9]])), table.weight[[0, 3, 3]][None])
