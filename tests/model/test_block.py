"""Where norms stand in a block."""

import pytest
import torch
from torch import nn

from lm.model import ParallelBlock, PostNormBlock, PreNormBlock, SandwichBlock


class Tripled(nn.Module):
    """A part whose effect differs from that of a norm."""

    def forward(self, inputs, **_):
        return 3 * inputs


def factor(start: float):
    """Norms that multiply by a number of their own: `start`, and one more each."""
    numbers = iter(range(10))

    def norm() -> nn.Module:
        made = nn.Linear(1, 1, bias=False)
        nn.init.constant_(made.weight, start + next(numbers))
        return made

    return norm


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (PreNormBlock, lambda x: (y := x + 3 * 2 * x) + 3 * 3 * y),
        (PostNormBlock, lambda x: (y := x + 2 * 3 * x) + 3 * 3 * y),
        (SandwichBlock, lambda x: (y := x + 3 * 3 * 2 * x) + 5 * 3 * 4 * y),
        (ParallelBlock, lambda x: x + 3 * 2 * x + 3 * 3 * x),
    ],
)
def test_norms_stand_where_the_block_says(kind, expected):
    block = kind(attention=Tripled(), feedforward=Tripled(), norm=factor(2), dropout=0.0)
    inputs = torch.tensor([[[2.0]]])
    found = block(inputs, rotation=None, mask=None, update_cache=None)
    torch.testing.assert_close(found, expected(inputs))


def test_norms_are_named_by_what_they_normalise():
    names = {
        kind: [
            name
            for name, _ in kind(
                attention=Tripled(), feedforward=Tripled(), norm=factor(1), dropout=0.0
            ).named_parameters()
        ]
        for kind in (PostNormBlock, SandwichBlock)
    }
    assert names[PostNormBlock] == ["attention_output_norm.weight", "feedforward_output_norm.weight"]
    assert names[SandwichBlock] == [
        "attention_norm.weight",
        "attention_output_norm.weight",
        "feedforward_norm.weight",
        "feedforward_output_norm.weight",
    ]
