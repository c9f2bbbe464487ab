"""The table in `initialize`, measured."""

from functools import partial

import pytest
import torch

from lm.model import Attention, ReLUSquared, SwiGLU, Transformer, initialize

DIM, LAYERS = 128, 3


def build(**changes) -> Transformer:
    settings = {
        "vocab_size": 500,
        "context": 16,
        "dim": DIM,
        "layers": LAYERS,
        "attention": partial(Attention, heads=4, key_value_heads=2, query_key_norm=True, bias=True),
        "feedforward": partial(SwiGLU, bias=True),
        "tie_embeddings": False,
    }
    torch.manual_seed(0)
    return Transformer(**(settings | changes))


def expected_std(name: str, inputs: int, embedding_std: float, residual_scale: float) -> float:
    if name in ("embedding.weight", "output.weight"):
        return embedding_std
    if name.endswith(("attention.output.weight", "feedforward.down.weight")):
        return residual_scale * (inputs * 2 * LAYERS) ** -0.5
    return inputs**-0.5


@pytest.mark.parametrize("feedforward", [SwiGLU, ReLUSquared])
@pytest.mark.parametrize(("embedding_std", "residual_scale"), [(0.02, 1.0), (0.1, 0.0)])
def test_every_weight_starts_as_the_table_says(feedforward, embedding_std, residual_scale):
    init = partial(initialize, embedding_std=embedding_std, residual_scale=residual_scale)
    model = build(feedforward=partial(feedforward, bias=True), initialize=init)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)  # overwrites what the constructors of the parts set
    initialize(model, embedding_std=embedding_std, residual_scale=residual_scale)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            std = expected_std(name, parameter.shape[1], embedding_std, residual_scale)
            assert parameter.std().item() == pytest.approx(std, rel=0.03), name
            assert abs(parameter.mean().item()) < 0.05 * std + 1e-9, name
        else:
            expected = 0.0 if name.endswith("bias") else 1.0
            assert torch.equal(parameter, torch.full_like(parameter, expected)), name


def test_an_untrained_model_predicts_uniformly():
    model, tokens = build(), torch.randint(0, 500, (4, 16), generator=torch.Generator().manual_seed(0))
    loss = torch.nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.roll(-1, 1).flatten())
    assert loss.item() == pytest.approx(torch.tensor(500.0).log().item(), abs=0.3)


def test_the_same_seed_gives_the_same_model():
    one, other = build().state_dict(), build().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
