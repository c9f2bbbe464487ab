"""Rows of similar length attend together, and each sees its own slot up to itself."""

from functools import partial

import pytest
import torch

from lm.model import Attention
from lm.serve.sight import Group, Sight, grouped
from lm.serve.slots import Slots
from support.small_models import small_model


@pytest.mark.parametrize(
    ("filled", "groups"),
    [
        ([40] * 4, [(0, 4, 40, 41)]),
        ([40, 60, 31, 90], [(0, 4, 31, 91)]),
        ([40] * 3 + [1000], [(0, 3, 40, 41), (3, 4, 1000, 1001)]),
        ([1000] + [40] * 3, [(0, 1, 1000, 1001), (1, 4, 40, 41)]),
        ([40, 1000, 40, 40], [(0, 1, 40, 41), (1, 2, 1000, 1001), (2, 4, 40, 41)]),
        ([5], [(0, 4, 5, 6)]),
    ],
)
def test_a_long_row_is_a_group_of_its_own(filled, groups):
    assert grouped(filled, rows=4) == tuple(Group(slice(a, b), first, end) for a, b, first, end in groups)


def test_a_group_reads_whole_blocks_of_its_window():
    group = Group(slice(0, 2), 100, 131)
    assert group.span(None) == slice(0, 160)
    assert group.span(20) == slice(64, 160)
    assert group.span(500) == slice(0, 160)
    sight = Sight(torch.tensor([[100], [130]]), None, groups=(group,))
    for window in (None, 20):
        mask = sight.within(window)
        span = group.span(window)
        for row, place in enumerate((100, 130)):
            seen = [span.start + key for key in mask[row, 0, 0].nonzero()[:, 0].tolist()]
            assert seen == [*range(0 if window is None else place - window + 1, place + 1)]


@pytest.mark.parametrize("window", [None, 40])
def test_rows_in_groups_have_the_features_of_each_alone(window):
    model = small_model(
        context=1024, attention=partial(Attention, heads=4, key_value_heads=2, head_dim=16, window=window)
    )
    lengths = [10, 700, 12, 690, 11]
    draw = torch.Generator().manual_seed(0)
    texts = [torch.randint(0, 256, (length + 1,), generator=draw).tolist() for length in lengths]
    slots = Slots(model, 5, rows=4)
    slots.reserve(701)
    with torch.inference_mode():
        for slot, text in enumerate(texts):
            slots.read(slot, text[:-1], start=0, room=701)
        found = slots.extend([text[-1] for text in texts], filled=lengths, rooms=[701] * 5)
        for row, text in enumerate(texts):
            expected = model.hidden(torch.tensor([text]))[0, -1]
            torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-5)
