"""One part for all layers, or a list that the layers repeat."""

from functools import partial

import pytest
import torch

from lm.model import Attention, GeGLU, NoPosition, Rotary, SwiGLU, Transformer


def build(**changes) -> Transformer:
    local, whole = (partial(Attention, heads=2, window=window) for window in (3, None))
    settings = {
        "vocab_size": 11,
        "context": 8,
        "dim": 8,
        "layers": 5,
        "attention": [local, local, whole],
        "feedforward": [partial(SwiGLU, hidden=8), partial(GeGLU, hidden=4)],
        "position": [Rotary, None],
    }
    return Transformer(**(settings | changes))


def test_a_list_of_parts_is_repeated_over_the_layers():
    model = build()
    assert [block.attention.window for block in model.blocks] == [3, 3, None, 3, 3]
    assert [type(block.feedforward) for block in model.blocks] == [SwiGLU, GeGLU, SwiGLU, GeGLU, SwiGLU]
    assert [type(position) for position in model.positions] == [Rotary, NoPosition]


def test_only_the_layers_with_positions_distinguish_the_order_within_the_mask():
    """The last token of one layer without positions sees a set of tokens, not a sequence."""
    tokens = torch.tensor([[1, 2, 3, 4], [2, 1, 3, 4]])
    for position, equal in (([None], True), ([Rotary], False), (None, True)):
        model = build(
            layers=1,
            attention=partial(Attention, heads=2),
            feedforward=SwiGLU,
            position=position,
            initialize=lambda model: [torch.nn.init.normal_(weight, std=0.5) for weight in model.parameters()],
        )
        first, second = model(tokens)[:, -1]
        assert torch.allclose(first, second, atol=1e-6) == equal


def test_equal_windows_share_a_mask_and_equal_positions_their_angles():
    model, seen = build(), []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda _, args, given: seen.append(given), with_kwargs=True)
    model(torch.arange(8)[None])
    masks, rotations = ([given[key] for given in seen] for key in ("mask", "rotation"))
    assert masks[2] is None
    assert all(masks[layer] is masks[0] for layer in (1, 3, 4))
    assert rotations[1] is rotations[3] is None
    assert rotations[0] is rotations[2] is rotations[4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": []}, r"model\.attention is an empty list"),
        ({"position": [Rotary] * 6}, r"model\.position lists 6 parts for 5 layers"),
        (
            {"attention": [partial(Attention, heads=2), partial(Attention, heads=4)]},
            r"model\.attention: layers have 2 of 4 and 4 of 2 features",
        ),
    ],
)
def test_impossible_patterns_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)
