"""Gemma's norm: the weight is the distance of the factor from 1."""

import torch

from lm.model import CentredRMSNorm


def test_the_factor_is_one_plus_the_weight_in_fp32():
    norm = CentredRMSNorm(8, eps=1e-6).bfloat16()
    with torch.no_grad():
        norm.weight.normal_()
    inputs = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact = inputs.float()
    expected = exact * (exact.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * (1.0 + norm.weight.float())
    assert torch.equal(norm(inputs), expected.bfloat16())


def test_weights_start_at_0_and_fp64_stays_exact():
    norm = CentredRMSNorm(4).double()
    assert not norm.weight.any()
    inputs = torch.randn(2, 4, dtype=torch.float64)
    expected = inputs / (inputs.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(norm(inputs), expected, atol=1e-14, rtol=0)
