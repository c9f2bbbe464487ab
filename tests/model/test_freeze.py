"""Weights that a pattern names do not train, and all others do."""

import pytest

from lm.model import freeze
from test_logits import build, some_tokens

LAYER = {f"attention.{part}" for part in ("query", "key", "value", "output")} | {"attention_norm", "feedforward_norm"}
LAYER |= {f"feedforward.{part}" for part in ("gate", "up", "down")}


def block(number: int) -> set[str]:
    return {f"blocks.{number}.{part}.weight" for part in LAYER}


@pytest.mark.parametrize(
    ("patterns", "frozen"),
    [
        ([], set()),
        (["embedding"], {"embedding.weight"}),
        (["blocks.0"], block(0)),
        (["blocks.0.*", "norm"], block(0) | {"norm.weight"}),
        (["blocks.*.attention"], {name for name in block(0) | block(1) if ".attention." in name}),
        (["blocks.[1-9].*norm"], {name for name in block(1) if "norm" in name}),
        (["blocks.1.attention.query.weight"], {"blocks.1.attention.query.weight"}),
        (["output"], {"output.weight"}),  # the outputs of attention train
    ],
)
def test_named_weights_do_not_train(patterns, frozen):
    model = build(tie_embeddings=False)
    freeze(model, patterns)
    model(some_tokens(2, 20)).square().sum().backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is None} == frozen


def test_freezing_a_tied_embedding_freezes_the_output():
    model = build(tie_embeddings=True)
    freeze(model, ["embedding"])
    assert not model.output_weight.requires_grad


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (
            ["norm", "embeding"],
            r"model\.freeze: embeding names nothing in this model; there is embedding\.weight, blocks",
        ),
        (["blocks.2"], r"model\.freeze: blocks\.2 names nothing"),
        (["query"], r"model\.freeze: query names nothing"),
        (["*"], r"model\.freeze: \* leaves nothing to train"),
        (["embedding", "blocks", "norm"], r"model\.freeze: embedding, blocks, norm leaves nothing to train"),
    ],
)
def test_patterns_that_name_nothing_or_everything_are_refused(patterns, message):
    with pytest.raises(ValueError, match=message):
        freeze(build(), patterns)
