"""A model gains rows for new tokens, which begin as the mean of the others; nothing else changes."""

from functools import partial

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from lm.model import Attention, FreshModel, GrownModel, SwiGLU, Transformer, freeze

TOKENS = torch.tensor([[1, 5, 3, 7]])


def small(tie: bool) -> FreshModel:
    return FreshModel(
        partial(
            Transformer,
            context=8,
            dim=8,
            layers=1,
            attention=partial(Attention, heads=2),
            feedforward=SwiGLU,
            tie_embeddings=tie,
        )
    )


def built(source, vocab_size):
    torch.manual_seed(0)
    return source.build(vocab_size=vocab_size).eval()


@pytest.mark.parametrize("tie", [True, False])
def test_new_rows_are_the_mean_of_the_others_and_the_rest_computes_as_before(tie):
    before = built(small(tie), 10)
    after = built(GrownModel(small(tie), vocab_size=10, fresh=[9, 10, 11]), 12)
    assert after.vocab_size == 12
    torch.testing.assert_close(after(TOKENS)[..., :9], before(TOKENS)[..., :9])
    for name in ("embedding.weight", *([] if tie else ["output.weight"])):
        rows, old = after.state_dict()[name], before.state_dict()[name]
        assert rows.shape == (12, 8)
        assert torch.equal(rows[:9], old[:9])
        for fresh in (9, 10, 11):
            torch.testing.assert_close(rows[fresh], old[:9].mean(0))


def test_a_frozen_embedding_stays_frozen_and_the_outline_has_the_same_weights():
    class Frozen(FreshModel):
        def build(self, *, vocab_size):
            model = super().build(vocab_size=vocab_size)
            freeze(model, ["embedding"])
            return model

        outline = build

    grown = GrownModel(Frozen(small(True).factory), vocab_size=10, fresh=[10])
    assert not grown.build(vocab_size=11).embedding.weight.requires_grad
    with FakeTensorMode():  # as a dry run builds it
        grown.outline(vocab_size=11)
    with torch.device("meta"):
        outline = grown.outline(vocab_size=11)
    shapes = {name: tuple(weight.shape) for name, weight in outline.named_parameters()}
    assert shapes == {name: tuple(w.shape) for name, w in grown.build(vocab_size=11).named_parameters()}


def test_the_architecture_is_recorded_with_the_larger_vocabulary():
    node = GrownModel(small(True), vocab_size=10, fresh=[10]).describe(vocab_size=11)
    assert node["vocab_size"] == 11
    assert {**node, "vocab_size": 10} == small(True).describe(vocab_size=10)
