"""Sparse experts compute what every expert on every token would, masked, and depend on nothing but the token."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lm.model import Attention, Experts, ReLUSquared, SwiGLU, Transformer, freeze, lora, merge, model_cost, nf4
from lm.model.experts import recorded_routing, sparse_layers
from lm.model.recompute import recompute_activations
from lm.model.shared_prefix import hidden_after_prefixes
from lm.optimizer import muon

SMALL = partial(SwiGLU, hidden=16)


def layer(**options) -> Experts:
    torch.manual_seed(0)
    return Experts(16, **({"expert": SMALL, "experts": 6, "top": 2} | options)).double()


def network(**options) -> Transformer:
    torch.manual_seed(0)
    sparse = partial(Experts, expert=SMALL, experts=6, top=2, balance=0.01)
    model = Transformer(
        **(
            {
                "vocab_size": 31,
                "context": 16,
                "dim": 16,
                "layers": 3,
                "attention": partial(Attention, heads=4, key_value_heads=2),
                "feedforward": [SMALL, sparse],
            }
            | options
        )
    )
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    return model.double()


def every_expert_on_every_token(part: Experts, inputs: torch.Tensor) -> torch.Tensor:
    probabilities = F.linear(inputs, part.router.weight).softmax(-1)
    kept = probabilities.topk(part.top)
    weights = torch.zeros_like(probabilities).scatter(-1, kept.indices, kept.values)
    if part.renormalise:
        weights = weights / weights.sum(-1, keepdim=True)
    made = sum(weights[..., n, None] * expert(inputs) for n, expert in enumerate(part.experts))
    return made if part.shared is None else made + part.shared(inputs)


@pytest.mark.parametrize(
    "options",
    [{}, {"renormalise": False}, {"top": 1}, {"top": 6}, {"shared": partial(ReLUSquared, hidden=8)}, {"experts": 40}],
    ids=str,
)
def test_values_and_gradients_are_those_of_every_expert_on_every_token(options):
    part, inputs = layer(**options), torch.randn(3, 5, 16, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(3, 5, 16, dtype=torch.float64)
    found, expected = part(inputs), every_expert_on_every_token(part, inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    leaves = [inputs, *part.parameters()]
    for here, there in zip(
        torch.autograd.grad((found * upstream).sum(), leaves),
        torch.autograd.grad((expected * upstream).sum(), leaves, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(here, there, rtol=0, atol=1e-10)


def test_an_expert_reads_its_own_tokens_and_no_others():
    part, read = layer(), {}
    for number, expert in enumerate(part.experts):
        expert.register_forward_hook(lambda _, inputs, __, number=number: read.update({number: len(inputs[0])}))
    inputs = torch.randn(4, 5, 16, dtype=torch.float64)
    with recorded_routing([part]) as routing:
        part(inputs)
    chosen = routing[0][0].chosen
    assert chosen.shape == (4, 5, 2)
    assert [read[n] for n in range(6)] == chosen.flatten().bincount(minlength=6).tolist()
    assert sum(read.values()) == 2 * 20


def test_an_expert_without_tokens_has_a_gradient_of_zero_so_that_ranks_wait_for_none():
    part = layer(experts=40)
    part(torch.randn(1, 3, 16, dtype=torch.float64)).sum().backward()
    idle = [expert for expert in part.experts if not expert.down.weight.grad.any()]
    assert len(idle) >= 34
    assert all(weight.grad is not None for weight in part.parameters())


def test_cached_packed_and_whole_reading_agree_and_padding_changes_nothing():
    model, tokens = network(), torch.randint(31, (2, 9))
    whole = model(tokens)
    cache = model.new_cache(2)
    cached = torch.cat([model(part, cache=cache) for part in tokens.split([4, 1, 4], 1)], 1)
    torch.testing.assert_close(cached, whole, rtol=0, atol=1e-12)
    padded = torch.cat([tokens, torch.full((2, 4), 7)], 1)
    documents = torch.where(torch.arange(13) < 9, 0, -1).expand(2, -1)
    torch.testing.assert_close(model(padded, documents)[:, :9], whole, rtol=0, atol=1e-12)
    packed = torch.cat([tokens[0], tokens[1, :5]])[None]
    parts = model(packed, (torch.arange(14) // 9)[None])
    torch.testing.assert_close(parts[0, 9:], whole[1, :5], rtol=0, atol=1e-12)
    after = hidden_after_prefixes(model, tokens[:1, :4], torch.tensor([4]), tokens[:1, 4:], torch.tensor([0]))
    torch.testing.assert_close(after, model.hidden(tokens[:1])[:, 3:], rtol=0, atol=1e-12)


def test_recomputed_activations_give_the_same_gradients_and_count_routing_once():
    results = []
    for recompute in (False, True):
        model, tokens = network(), torch.arange(12)[None]
        if recompute:
            recompute_activations(model)
        layers = sparse_layers(model)
        with recorded_routing(layers) as routing:
            total = model(tokens).square().sum()
        (total + sum(passes[0].logits.logsumexp(-1).square().sum() for passes in routing)).backward()
        assert [len(passes) for passes in routing] == [1]  # of three layers one is sparse
        assert all(part.record is None for part in layers)
        results.append([weight.grad for weight in model.parameters()])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_adapters_quantisation_freezing_and_muon_treat_experts_as_any_matrix():
    model, tokens = network(), torch.arange(9)[None]
    before = model(tokens)
    router = model.blocks[1].feedforward.router.weight.detach().clone()
    nf4(model)
    lora(model, rank=2, alpha=4, targets=["feedforward.*"], whole=["*router.weight"])
    changed = [name for name, _ in model.named_parameters() if name.endswith("change.up")]
    assert "blocks.1.feedforward.experts.5.gate.change.up" in changed
    assert len(changed) == 3 * (6 + 2)
    assert torch.equal(model.blocks[1].feedforward.router.weight, router)  # a rounded router picks other experts
    optimizer = muon(model, learning_rate=0.01)
    model(tokens).square().mean().backward()
    optimizer.step()
    assert all(torch.isfinite(weight).all() for weight in model.parameters() if weight.is_floating_point())
    assert not torch.equal(model.blocks[1].feedforward.router.weight, router)
    expected = model(tokens)
    merge(model)
    torch.testing.assert_close(model(tokens), expected, rtol=0, atol=1e-10)
    assert not torch.equal(before, expected)
    freeze(model, ["blocks.*.feedforward.experts"])
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert "blocks.1.feedforward.router.weight" in trained
    assert not any(".experts." in name for name in trained)


def test_a_token_costs_the_experts_that_it_passes_and_memory_all_of_them():
    dense, sparse = network(feedforward=SMALL), network(feedforward=partial(Experts, expert=SMALL, experts=6, top=2))
    one, other = model_cost(dense), model_cost(sparse)
    expert, router = 3 * 16 * 16, 6 * 16
    assert other.active - one.active == 3 * (expert + router)
    assert other.parameters - one.parameters == 3 * (5 * expert + router)
    assert other.flops_per_token - one.flops_per_token == 6 * 3 * (expert + router)
    with torch.device("meta"):
        assert model_cost(network(feedforward=partial(Experts, expert=SMALL, experts=6, top=2))) == other


def test_every_expert_starts_as_a_feedforward_does():
    sparse = partial(Experts, expert=SwiGLU, experts=3, top=2)
    model = Transformer(
        vocab_size=9, context=4, dim=128, layers=2, attention=partial(Attention, heads=4), feedforward=sparse
    )
    for expert in model.blocks[1].feedforward.experts:
        assert not expert.down.weight.any()
        assert float(expert.gate.weight.detach().std()) == pytest.approx(128**-0.5, rel=0.05)
    assert float(model.blocks[0].feedforward.router.weight.detach().std()) == pytest.approx(128**-0.5, rel=0.2)


@pytest.mark.parametrize("top", [0, 7])
def test_more_experts_of_a_token_than_there_are_is_refused(top):
    with pytest.raises(
        ValueError, match=rf"model.feedforward.top {top} is not from 1 to 6, .* raise model.feedforward"
    ):
        layer(top=top)


def test_the_router_is_as_exact_under_autocast():
    part, inputs = layer().float(), torch.randn(1, 50, 16)
    with recorded_routing([part]) as routing:
        part(inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            part(inputs)
    exact, rounded = routing[0]
    assert torch.equal(exact.logits, rounded.logits)
