"""Packed matrices compute what the layers do, each row with the same bits beside any others."""

from functools import partial

import pytest
import torch

from lm.model import Attention, Experts, SwiGLU, dora, int8, lora
from lm.serve.packed import PackedLinear, packed
from lm.serve.rows import rows_of_equal_bits
from support.small_models import small_model


def adapted(change):
    def adapt(model):
        change(model, rank=2, alpha=4, targets=["query", "down"])
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "change" in name:
                    weight.add_(0.1 * torch.randn_like(weight))

    return adapt


@pytest.mark.parametrize(
    ("parts", "change"),
    [
        ({"attention": partial(Attention, heads=4, bias=True), "logit_cap": 5.0}, None),
        ({"tie_embeddings": False}, None),
        ({"feedforward": partial(Experts, expert=partial(SwiGLU, hidden=24), experts=4, top=2)}, None),
        ({}, adapted(lora)),
        ({}, adapted(dora)),
        ({}, int8),
        ({"dtype": torch.bfloat16}, None),
        ({"dtype": torch.float64}, None),
    ],
    ids=["bias and cap", "untied", "experts", "lora", "dora", "int8", "bf16", "fp64"],
)
def test_a_packed_model_has_the_logits_of_the_model_which_stays_as_it_is(parts, change):
    dtype = parts.get("dtype", torch.float32)
    model = small_model(**{name: part for name, part in parts.items() if name != "dtype"}).to(dtype)
    if change:
        change(model)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    faster, project = packed(model)
    tokens = torch.arange(24).view(2, 12)
    with torch.inference_mode():
        found, expected = project(faster.hidden(tokens)).float(), model(tokens).float()
    exact = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 0.1}[dtype]
    torch.testing.assert_close(found, expected, rtol=exact, atol=exact * expected.abs().max().item())
    assert {name: bool(weight.equal(before[name])) for name, weight in model.state_dict().items()} == dict.fromkeys(
        before, True
    )
    assert faster.embedding.weight is model.embedding.weight
    kinds = {type(part) for part in faster.modules()}
    assert (PackedLinear in kinds) == (dtype != torch.float64 and change is not int8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_has_the_same_bits_beside_any_number_of_others(dtype):
    draw = torch.Generator().manual_seed(0)
    layer = PackedLinear(torch.randn(172, 96, generator=draw).to(dtype), None)
    inputs = torch.randn(70, 96, generator=draw).to(dtype)
    whole = layer(inputs)
    assert [count for count in range(1, 70) if not layer(inputs[:count]).equal(whole[:count])] == []


@pytest.mark.parametrize(
    ("parts", "rows"),
    [
        ({"dim": 64, "feedforward": partial(SwiGLU, hidden=96), "attention": partial(Attention, heads=1)}, 4),
        ({"dim": 64, "feedforward": partial(SwiGLU, hidden=100), "attention": partial(Attention, heads=1)}, 8),
        ({"feedforward": partial(SwiGLU, hidden=43)}, 32),
    ],
)
def test_rows_fill_pairs_of_registers_at_any_width(parts, rows):
    assert rows_of_equal_bits(small_model(**parts)) == rows
