"""Feedforwards against their formulas."""

import torch

from lm.model import ReLUSquared, SwiGLU


def test_swiglu_gates_by_the_sigmoid_weighted_gate():
    part, inputs = SwiGLU(8, hidden=5, bias=True), torch.randn(2, 3, 8)
    gate = part.gate(inputs)
    torch.testing.assert_close(part(inputs), part.down(gate / (1 + (-gate).exp()) * part.up(inputs)))


def test_relu_squared_squares_positive_features():
    part, inputs = ReLUSquared(8, hidden=5, bias=True), torch.randn(2, 3, 8)
    up = part.up(inputs)
    torch.testing.assert_close(part(inputs), part.down(torch.where(up > 0, up * up, 0)))
