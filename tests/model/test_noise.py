"""NEFTune's noise has the same norm for documents of any length and position in a row; none in evaluation."""

import torch

from lm.batch import Batch
from lm.model.noise import add_noise
from lm.objective import CausalLM
from test_logits import build, some_tokens


def test_a_feature_moves_by_at_most_alpha_over_the_root_of_length_times_dim():
    torch.manual_seed(0)
    embedded = torch.randn(1, 50, 64)
    moved = add_noise(embedded, None, alpha=5.0) - embedded
    reach = 5.0 / (50 * 64) ** 0.5
    assert 0.99 * reach < moved.abs().max() <= reach * 1.001
    assert abs(moved.abs().mean() / reach - 0.5) < 0.02
    assert abs(moved.mean() / reach) < 0.05, "as often up as down"


def test_packed_documents_get_noise_of_their_own_length():
    torch.manual_seed(0)
    starts = torch.tensor([[0] * 4 + [4] * 36 + [40] * 10])  # three documents
    moved = (add_noise(torch.zeros(1, 50, 256), starts, alpha=5.0)).abs()
    for begin, end in ((0, 4), (4, 40), (40, 50)):
        reach = 5.0 / ((end - begin) * 256) ** 0.5
        assert 0.98 * reach < moved[:, begin:end].max() <= reach * 1.001


def objective(noise: float) -> CausalLM:
    return CausalLM(build(), optimizer=None, schedule=None, steps=1, noise=noise)


def test_noise_is_in_training_only_and_a_function_of_the_seed():
    tokens = some_tokens(2, 20)
    batch = Batch(tokens, tokens, torch.ones_like(tokens, dtype=torch.bool), 1.0, documents=tokens // 30)
    batch.kinds = batch.bytes = torch.zeros_like(tokens)
    losses = {}
    for name, noise, seed in (("none", 0.0, 0), ("some", 5.0, 0), ("same", 5.0, 0), ("other", 5.0, 1)):
        module = objective(noise)
        torch.manual_seed(seed)
        losses[name] = module.summed_loss(batch).item()
        module.on_validation_epoch_start()
        module.validation_step(batch, 0)
        losses[name, "measured"] = module._sums.sum().item()
    assert losses["some"] == losses["same"]
    assert len({losses[name] for name in ("none", "some", "other")}) == 3
    assert len({losses[name, "measured"] for name in ("none", "some", "other")}) == 1
