"""Two models are alike if they compute the same: each setting that changes the result is seen."""

from functools import partial

import pytest
import torch
from torch import nn

from lm.interchange.likeness import difference
from lm.model import Attention, GeGLU, LinearScaling, PostNormBlock, Rotary, SwiGLU, Transformer

HEADS = {"heads": 2, "key_value_heads": 1}


def model(*, attention: dict | None = None, **parts) -> Transformer:
    usual = {"vocab_size": 20, "context": 16, "dim": 8, "layers": 2, "feedforward": partial(SwiGLU, hidden=12)}
    with torch.device("meta"):
        return Transformer(**usual | {"attention": partial(Attention, **HEADS | (attention or {}))} | parts)


def test_models_that_differ_in_weights_and_dropout_alone_compute_the_same():
    assert difference(model(), model(dropout=0.5)) == ""


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"context": 32}, "context"),
        ({"tie_embeddings": False}, "output"),
        ({"logit_cap": 30.0}, "logit_cap"),
        ({"scale_embeddings": True}, "embedding_scale"),
        ({"norm": partial(nn.RMSNorm, eps=1e-3)}, "eps"),
        ({"norm": nn.LayerNorm}, "norm"),
        ({"block": PostNormBlock}, "blocks.0 is"),
        ({"feedforward": partial(GeGLU, hidden=12)}, "feedforward is"),
        ({"feedforward": partial(SwiGLU, hidden=12, bias=True)}, "bias"),
        ({"position": partial(Rotary, theta=500.0)}, "theta"),
        ({"position": partial(Rotary, scaling=partial(LinearScaling, factor=2.0))}, "scaling"),
        ({"position": [Rotary, None]}, "positions"),
        ({"attention": {"window": 4}}, "window"),
        ({"attention": {"cap": 5.0}}, "cap"),
        ({"attention": {"scale": 0.1}}, "scale"),
        ({"attention": {"query_key_norm": True}}, "query_norm"),
        ({"attention": {"key_value_heads": 2}}, "key_value_heads"),
        ({"attention": {"bias": True, "output_bias": False}}, "bias"),
    ],
)
def test_each_setting_that_changes_the_result_is_named(parts, named):
    assert named in difference(model(), model(**parts))
    assert difference(model(**parts), model(**parts)) == ""
