"""A quantised layer multiplies by the weight that it stores, is close to the original, and saves nothing larger."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from lm.model import nf4
from lm.model.quantised import NF4, Int8
from test_logits import build

# The numbers in the paper's appendix E.
LEVELS = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip
KINDS = {"int8": Int8, "nf4": NF4}


def linear(inputs: int = 128, outputs: int = 96, *, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs, bias=bias)


def test_int8_is_the_nearest_of_255_steps_of_each_row():
    layer = linear()
    weight = layer.weight.detach()
    steps = weight.abs().amax(1, keepdim=True) / 127
    assert ((Int8(layer).weight - weight).abs() <= steps * 0.5001).all()


def test_nf4_is_the_nearest_of_16_levels_of_each_block():
    weight = linear().weight.detach()
    blocks = weight.reshape(-1, 64)
    largest = blocks.abs().amax(1, keepdim=True)
    levels = torch.tensor(LEVELS)
    nearest = levels[(blocks[..., None] / largest[..., None] - levels).abs().argmin(-1)] * largest
    found = NF4(linear()).weight.reshape(-1, 64)
    torch.testing.assert_close(NF4.encode(weight)[-1], levels, atol=1e-6, rtol=0)
    off = (largest - largest.mean()).abs().max() / 127 / 2  # error of a scale, which has 8 bits
    assert ((found - nearest).abs() <= off * 1.001).all()
    assert ((found - blocks).abs() <= 0.16 * largest + off).all(), "half of the widest gap between levels"


@pytest.mark.parametrize("rows", [96, 600])  # 600 rows make several groups, the last one incomplete
def test_bits_per_weight_are_those_in_the_docstring(rows):
    bits = {kind: sum(8 * part.nbytes for part in KINDS[kind](linear(outputs=rows)).stored) for kind in KINDS}
    assert bits["int8"] / (128 * rows) == pytest.approx(8 + 32 / 128)
    assert bits["nf4"] / (128 * rows) == pytest.approx(4.13, abs=0.06)
    assert len(NF4.encode(linear(outputs=rows).weight)[2]) == -(-2 * rows // 256), "a scale for each 256 of them"


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_it_multiplies_by_its_weight_and_passes_the_gradient_on(kind, bias):
    layer = KINDS[kind](linear(bias=bias).double())
    inputs = torch.randn(2, 5, 128, dtype=torch.float64, requires_grad=True)
    dense = F.linear(inputs, layer.weight, layer.bias)
    torch.testing.assert_close(layer(inputs), dense, atol=1e-12, rtol=0)
    (expected,) = torch.autograd.grad(dense.square().sum(), inputs)
    (found,) = torch.autograd.grad(layer(inputs).square().sum(), inputs)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    assert not any(parameter.requires_grad for parameter in layer.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_autograd_saves_no_decoded_matrix(kind):
    layer, kept = KINDS[kind](linear(outputs=512)), []
    inputs = torch.randn(1, 128, requires_grad=True)
    with saved_tensors_hooks(lambda tensor: kept.append(tensor.nbytes) or tensor, lambda tensor: tensor):
        layer(inputs)
    assert sum(kept) <= sum(part.nbytes for part in layer.stored) < 128 * 512 * 4 / 3.5


@pytest.mark.parametrize("kind", KINDS)
def test_under_autocast_it_computes_in_bf16(kind):
    layer, inputs = KINDS[kind](linear()), torch.randn(4, 128, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = layer(inputs)
    assert outputs.dtype == torch.bfloat16
    torch.testing.assert_close(outputs.float(), layer(inputs), atol=0.03, rtol=0.03)
    outputs.float().sum().backward()
    torch.testing.assert_close(inputs.grad, layer.weight.sum(0).expand(4, -1), atol=0.1, rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_stay_zeros(kind):
    layer = linear()
    nn.init.zeros_(layer.weight)
    assert (KINDS[kind](layer).weight == 0).all()
    layer = linear()
    nn.init.zeros_(layer.weight[3])  # beside other rows, one of them large
    nn.init.constant_(layer.weight[5], 10.0)
    assert (KINDS[kind](layer).weight[3] == 0).all()


def test_a_matrix_that_blocks_do_not_divide_is_refused_before_any_change():
    model = build()
    model.blocks[1].attention.query = nn.Linear(32, 33)
    with pytest.raises(ValueError, match=r"model\.quantise: 1\.attention\.query has 33 × 32 weights.*quantise=int8"):
        nf4(model)
    assert isinstance(model.blocks[0].attention.query, nn.Linear)
