"""A model that is sharded over ranks computes what it computes in one process."""

import pytest
import torch

from lm.model import Attention, SwiGLU, Transformer
from lm.parallel.sharding import check_tensor_parallel
from support.parallel_step import MESHES, MODELS, ROWS, made, save_steps, step
from support.ranks_here import as_ranks

PAIRS = [(mesh, model) for mesh in MESHES for model in MODELS if (mesh, model) != ("tensor", "tied")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Directory with the results of four ranks, for every model on every mesh."""
    directory = tmp_path_factory.mktemp("steps")
    assert as_ranks(4, save_steps, directory) == [0] * 4
    return directory


@pytest.mark.parametrize(("mesh", "model"), PAIRS)
def test_losses_and_gradients_are_those_of_one_process(mesh, model, directory):
    found = torch.load(directory / f"{mesh}-{model}.pt", weights_only=True)
    expected = step(made(model), slice(0, ROWS), factor=1.0)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize(("mesh", "model"), PAIRS)
def test_a_rank_holds_its_shard_and_no_more(mesh, model, directory):
    held = int(torch.load(directory / f"{mesh}-{model}.pt", weights_only=True)["held"])
    network = made(model)
    weights = sum(weight.numel() for weight in network.parameters())
    whole = ("position_embedding", "ngrams", "router")
    vectors = sum(w.numel() for n, w in network.named_parameters() if w.ndim == 1 or any(each in n for each in whole))
    assert held <= (weights - vectors) / 4 + vectors + 64, "vectors may be whole, the vocabulary does not divide"


def network(*, heads: int = 4, key_value_heads: int = 4, hidden: int = 24, vocab_size: int = 31) -> Transformer:
    return Transformer(
        vocab_size=vocab_size,
        context=4,
        dim=16,
        layers=1,
        attention=lambda dim: Attention(dim, heads=heads, key_value_heads=key_value_heads),
        feedforward=lambda dim: SwiGLU(dim, hidden=hidden),
    )


@pytest.mark.parametrize(
    ("sizes", "ranks", "message"),
    [
        ({"heads": 2, "key_value_heads": 2}, 4, "here=4: model.attention.heads 2 cannot be split over 4 ranks"),
        ({"key_value_heads": 2}, 4, "model.attention.key_value_heads 2 .* make it a multiple of 4, or set here to 2"),
        ({"key_value_heads": 1}, 2, "model.attention.key_value_heads 1 .* or set here to 1"),
        ({"hidden": 30}, 4, "model.feedforward.hidden 30 .* or set here to 2"),
        ({"vocab_size": 5}, 4, "here=4: a vocabulary of 5 leaves ranks without a part"),
    ],
)
def test_a_model_that_cannot_be_split_is_refused(sizes, ranks, message):
    with pytest.raises(ValueError, match=message):
        check_tensor_parallel(network(**sizes), ranks, key="here")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_model_that_can_be_split_is_accepted(ranks):
    check_tensor_parallel(network(), ranks, key="here")
