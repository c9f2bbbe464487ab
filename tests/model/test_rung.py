"""A rung of the ladder is the transformer of its depth."""

import torch

from lm.config.build import build
from lm.model import Transformer, model_cost
from support.training_runs import composed


def test_a_rung_is_the_model_with_as_many_layers_weight_for_weight():
    node = composed("pretrain", "model=ladder", "model.depth=2", "model.context=16")["model"]
    named = {key: value for key, value in node.items() if key != "depth"}
    torch.manual_seed(0)
    made = build(node)(vocab_size=50)
    torch.manual_seed(0)
    same = build({**named, "_target_": "lm.model.Transformer", "layers": 2})(vocab_size=50)
    assert isinstance(made, Transformer)
    assert len(made.blocks) == 2
    for (name, weight), other in zip(made.named_parameters(), same.parameters(), strict=True):
        assert torch.equal(weight, other), name


def test_its_blocks_have_about_as_many_weights_as_the_rules_assume():
    """12 × depth × dim², apart from a feedforward rounded up to a multiple of 64, and norms."""
    for depth, over in [(2, 1.1), (12, 1.01)]:
        node = composed("pretrain", "model=ladder", f"model.depth={depth}")["model"]
        with torch.device("meta"):
            cost = model_cost(build(node)(vocab_size=1000))
        assert 1.0 <= (cost.parameters - cost.embeddings) / (12 * depth * node["dim"] ** 2) < over
