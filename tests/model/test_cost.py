"""The counted cost of a model equals what building and running it shows."""

from functools import partial

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lm.model import Attention, SwiGLU, Transformer, int8, lora, model_cost, vocabulary_cost
from lm.objective.loss import summed_cross_entropy

SIZES = {"context": 24, "dim": 32, "layers": 3}


def factory(tied: bool) -> partial:
    attention = partial(Attention, heads=4, key_value_heads=2)
    return partial(Transformer, **SIZES, attention=attention, feedforward=SwiGLU, tie_embeddings=tied)


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_and_arithmetic_are_those_of_the_model(tied):
    cost = vocabulary_cost(factory(tied), vocab_size=100, bytes_per_token=2.5)
    model = factory(tied)(vocab_size=100)
    assert cost["parameters"] == sum(weight.numel() for weight in model.parameters())
    assert cost["table_share"] == 100 * 32 * (1 if tied else 2) / cost["parameters"]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, SIZES["context"], dtype=torch.long))
    counts = counter.get_flop_counts()["Global"]
    attended = counts[torch.ops.aten.bmm]
    assert attended, "the test needs attention in the counts"
    forward = sum(counts.values()) - attended / 2  # a causal mask halves it
    assert cost["flops_per_byte"] == pytest.approx(3 * forward / SIZES["context"] / 2.5)


@pytest.mark.parametrize("tied", [True, False])
def test_a_training_step_takes_the_counted_flops(tied):
    model = factory(tied)(vocab_size=100)
    cost, tokens = model_cost(model), torch.zeros(2, SIZES["context"], dtype=torch.long)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        summed_cross_entropy(model.hidden(tokens).flatten(0, 1), model.projection, tokens.flatten()).backward()
    unmasked = cost.flops_per_token + cost.attention_flops  # the counter assumes no mask
    assert counter.get_total_flops() == pytest.approx(unmasked * tokens.numel())


@pytest.mark.parametrize("quantise", [None, int8])
def test_an_adapted_model_costs_less_by_its_frozen_weights(quantise):
    """The embedding trains too, so that gradients pass through all layers."""
    model = factory(False)(vocab_size=100)
    size = sum(weight.numel() for weight in model.parameters())
    if quantise:
        quantise(model)
    lora(model, rank=2, alpha=4, targets=["attention.*", "feedforward.*"], whole=["embedding"])
    cost, tokens = model_cost(model), torch.zeros(2, SIZES["context"], dtype=torch.long)
    added = sum(each.numel() for name, each in model.named_parameters() if ".change." in name)
    assert (cost.parameters, cost.trained) == (size + added, added + model.embedding.weight.numel())
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        summed_cross_entropy(model.hidden(tokens).flatten(0, 1), model.projection, tokens.flatten()).backward()
    unmasked = cost.flops_per_token + cost.attention_flops
    assert counter.get_total_flops() == pytest.approx(unmasked * tokens.numel())


def test_frozen_weights_are_counted_separately():
    model = factory(True)(vocab_size=100)
    model.embedding.weight.requires_grad_(False)
    assert model_cost(model).parameters - model_cost(model).trained == 100 * 32


def test_context_bytes_and_logits_bytes_grow_with_the_context():
    cost = vocabulary_cost(factory(True), vocab_size=1000, bytes_per_token=4.0)
    assert cost["context_bytes"] == 24 * 4
    assert cost["logits_bytes"] == 24 * 1000 * 4


def test_nothing_is_allocated():
    huge = vocabulary_cost(factory(True), vocab_size=10**12, bytes_per_token=4.0)
    assert huge["softmax_share"] > 0.999


def test_a_window_costs_the_tokens_that_are_attended_to():
    attention = partial(Attention, heads=4)
    whole, wide, local = (
        model_cost(factory(True)(vocab_size=9, attention=[attention, partial(attention, window=window)]))
        for window in (None, 24, 6)
    )
    assert wide.attention_flops == whole.attention_flops
    pairs = {window: sum(min(token, window) - 0.5 for token in range(1, 25)) for window in (6, 24)}
    local_layer = whole.attention_flops / 3 * pairs[6] / pairs[24]
    assert local.attention_flops == pytest.approx(whole.attention_flops * 2 / 3 + local_layer, rel=0.02)
