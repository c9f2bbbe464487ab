"""The distribution that tokens were drawn from, under a soft cap of the logits."""

import pytest
import torch

from lm.generation import Sampling
from lm.model import Projection
from lm.policy.log_probabilities import log_probabilities_and_entropies, sampled_log_probabilities


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("cap", [None, 1.5])
def test_the_temperature_divides_the_logits_after_the_cap(temperature, cap):
    torch.manual_seed(0)
    hidden = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    projection = Projection(torch.randn(9, 4, dtype=torch.float64), cap)
    tokens, sampling = torch.arange(7), Sampling(temperature=temperature)
    logits = hidden @ projection.weight.T
    logits = (logits if cap is None else cap * (logits / cap).tanh()) / temperature
    log = logits.log_softmax(-1)
    expected = log[torch.arange(7), tokens]
    found, entropies = log_probabilities_and_entropies(hidden, projection, tokens, sampling=sampling)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(entropies, -(log.exp() * log).sum(-1))
    alone = sampled_log_probabilities(hidden, projection, tokens, sampling=sampling)
    for one, other in zip(*(torch.autograd.grad(each.sum(), hidden) for each in (alone, expected)), strict=True):
        torch.testing.assert_close(one, other)
