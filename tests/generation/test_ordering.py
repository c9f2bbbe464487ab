"""Logits in order: as by a stable sort, whatever their values and their type."""

import pytest
import torch

from lm.generation.ordering import ordered


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_order_is_that_of_a_stable_sort(dtype):
    logits = torch.randn(5, 300, generator=torch.Generator().manual_seed(0)).mul(3).round().to(dtype)  # many are equal
    logits[0, :4] = torch.tensor([torch.inf, -torch.inf, 0.0, -0.0])
    logits[1] = -0.0
    logits[2] /= 7
    values, tokens = ordered(logits)
    expected = logits.sort(stable=True, dim=-1, descending=True)
    assert torch.equal(tokens, expected.indices)
    assert torch.equal(values, expected.values)
    assert torch.equal(values.signbit(), expected.values.signbit())
