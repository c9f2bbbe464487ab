"""A fresh model describes itself as the config says, from the factory that the config built."""

from functools import partial

import pytest
from torch import nn

from lm.config.build import build
from lm.config.check import plain
from lm.model import Attention, FreshModel, SwiGLU, Transformer, describe_factory, model_source
from model.test_sizes import GROUPS, MODELS, chosen
from support.compositions import composition

TRAINED = {"checkpoint", "huggingface"}  # described by what they read
SIZES = sorted(path.stem for path in MODELS.glob("*.yaml") if path.stem not in TRAINED)
OPTIONS = [f"model={size}" for size in SIZES] + [chosen(group, option) for group, option in GROUPS]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_description_has_the_keys_and_values_of_the_config(option):
    node = plain(composition("pretrain").compose([option]))["model"]
    expected = {key: value for key, value in node.items() if key != "_partial_"} | {"vocab_size": 300}
    assert FreshModel(build(node)).describe(vocab_size=300) == expected


@pytest.mark.parametrize("option", ["lora", "dora", "rslora"])
def test_an_adapter_is_described_as_the_config_has_it(option):
    overrides = ["model.path=x", f"model/adapter={option}", "model/quantise=nf4", "model/head=scalar"]
    node = plain(composition("instruct").compose(overrides))["model"]
    for part in ("adapter", "quantise", "head"):
        assert describe_factory(build(node[part])) == node[part]


def test_a_description_builds_the_same_model():
    parts = {"attention": partial(Attention, heads=2, head_dim=4), "feedforward": SwiGLU, "norm": nn.LayerNorm}
    source = model_source(partial(Transformer, context=8, dim=8, layers=1, **parts))
    assert repr(build(source.describe(vocab_size=5))) == repr(source.build(vocab_size=5))
    assert (source.fingerprint(), source.origin) == ({}, None)
