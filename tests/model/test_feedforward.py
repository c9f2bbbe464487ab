"""Feedforwards against their formulas."""

import pytest
import torch

from lm.model import GELU, GeGLU, ReLUSquared, SwiGLU


def test_swiglu_gates_by_the_sigmoid_weighted_gate():
    part, inputs = SwiGLU(8, hidden=5, bias=True), torch.randn(2, 3, 8)
    gate = part.gate(inputs)
    torch.testing.assert_close(part(inputs), part.down(gate / (1 + (-gate).exp()) * part.up(inputs)))


def test_relu_squared_squares_positive_features():
    part, inputs = ReLUSquared(8, hidden=5, bias=True), torch.randn(2, 3, 8)
    up = part.up(inputs)
    torch.testing.assert_close(part(inputs), part.down(torch.where(up > 0, up * up, 0)))


@pytest.mark.parametrize(("approximate", "exact"), [("none", True), ("tanh", False)])
def test_gelu_and_geglu_apply_the_normal_distribution_function_or_its_approximation(approximate, exact):
    inputs = torch.linspace(-3, 3, 48).view(2, 3, 8)

    def gelu(x: torch.Tensor) -> torch.Tensor:
        inner = (2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)
        return x * torch.special.ndtr(x) if exact else x * (1 + torch.tanh(inner)) / 2

    part = GELU(8, hidden=5, bias=True, approximate=approximate)
    torch.testing.assert_close(part(inputs), part.down(gelu(part.up(inputs))))
    gated = GeGLU(8, hidden=5, approximate=approximate)
    torch.testing.assert_close(gated(inputs), gated.down(gelu(gated.gate(inputs)) * gated.up(inputs)))
    assert GELU(8).up.out_features == 32
    assert GeGLU(192).gate.out_features == 512
