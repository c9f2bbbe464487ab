"""Soft caps of scores."""

import pytest
import torch
from torch.nn import functional as F

from lm.model.capped import capped_attention, soft_cap


def parts(tokens: int, attended: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 4, tokens, 8), (2, 2, attended, 8), (2, 2, attended, 8)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("tokens", "attended"), [(5, 5), (1, 5)])
def test_a_cap_far_above_all_scores_changes_nothing(tokens, attended, masked):
    queries, keys, values = parts(tokens, attended)
    mask = torch.ones(tokens, attended, dtype=torch.bool).tril(attended - tokens) if masked else None
    found = capped_attention(queries, keys, values, mask=mask, scale=0.3, cap=1e8)
    causal = mask is None and tokens > 1
    expected = F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=causal, enable_gqa=True, scale=0.3
    )
    torch.testing.assert_close(found, expected)


def test_scores_are_scaled_then_capped_then_masked():
    queries, keys, values = parts(3, 3)
    found = capped_attention(queries, keys, values, mask=None, scale=2.0, cap=1.5)
    for head in range(4):
        scores = 1.5 * torch.tanh(2.0 * queries[0, head] @ keys[0, head // 2].T / 1.5)
        weights = scores.masked_fill(torch.ones(3, 3).triu(1).bool(), -torch.inf).softmax(-1)
        torch.testing.assert_close(found[0, head], weights @ values[0, head // 2])


def test_a_soft_cap_keeps_small_values_and_bounds_large_ones():
    capped = soft_cap(torch.tensor([-1e9, 0.01, 1e9]), 30.0)
    torch.testing.assert_close(capped, torch.tensor([-30.0, 0.01, 30.0]))
