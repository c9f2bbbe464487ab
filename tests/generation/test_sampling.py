"""Sampled tokens follow each option, against a naive implementation.

Legend: B batch  V vocabulary
"""

import math

import pytest
import torch

from lm.generation import Sampling
from lm.generation.sampling import (
    HEAD,
    chosen_log_probabilities,
    drawn_log_probabilities,
    penalize_repetition,
    sample_tokens,
    truncated_distribution,
)

VOCAB = 50


def some_logits(rows: int = 4) -> torch.Tensor:
    return 3 * torch.randn(rows, VOCAB, generator=torch.Generator().manual_seed(0))


def some_generators(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + row) for row in range(count)]


def naive_probabilities(logits: list[float], sampling: Sampling) -> list[float]:
    """The probability of each token, in plain Python."""
    weights = [math.exp(value / sampling.temperature) for value in logits]
    order = sorted(range(VOCAB), key=lambda token: -weights[token])
    order = order[: sampling.top_k]
    total = sum(weights[token] for token in order)
    kept, reached = [], 0.0
    for token in order:
        if reached >= sampling.top_p:
            break
        kept.append(token)
        reached += weights[token] / total
    total = sum(weights[token] for token in kept)
    return [weights[token] / total if token in kept else 0.0 for token in range(VOCAB)]


OPTIONS = [
    Sampling(),
    Sampling(temperature=0.5),
    Sampling(temperature=2.0),
    Sampling(top_k=1),
    Sampling(top_k=7),
    Sampling(top_k=VOCAB + 5),
    Sampling(top_p=0.6),
    Sampling(top_p=1e-9),
    Sampling(temperature=1.5, top_k=10, top_p=0.8),
]


@pytest.mark.parametrize("sampling", OPTIONS)
def test_probabilities_equal_the_naive_ones(sampling):
    logits = some_logits()
    probabilities, tokens = truncated_distribution(logits, sampling=sampling)
    probabilities = torch.zeros_like(logits).scatter(-1, tokens, probabilities / probabilities.sum(-1, keepdim=True))
    expected = torch.tensor([naive_probabilities(row, sampling) for row in logits.tolist()])
    assert torch.equal(probabilities > 0, expected > 0)
    torch.testing.assert_close(probabilities, expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("sampling", OPTIONS)
def test_drawn_tokens_follow_the_probabilities(sampling):
    draws, row = 4000, some_logits(1)
    generators = [torch.Generator().manual_seed(3)] * draws
    picked = sample_tokens(row.expand(draws, -1), sampling=sampling, generators=generators)
    share = torch.bincount(picked, minlength=VOCAB) / draws
    expected = torch.tensor(naive_probabilities(row[0].tolist(), sampling))
    assert not share[expected == 0].any()
    assert (share - expected).abs().max() < 0.03


def test_temperature_zero_takes_the_most_likely_token_and_draws_nothing():
    logits, generators = some_logits(), some_generators(4)
    before = [generator.get_state() for generator in generators]
    assert torch.equal(
        sample_tokens(logits, sampling=Sampling(temperature=0, top_k=3), generators=generators), logits.argmax(-1)
    )
    assert all(torch.equal(generator.get_state(), state) for generator, state in zip(generators, before, strict=True))


def test_a_temperature_near_zero_is_greedy_and_never_overflows():
    logits = some_logits() * 100
    picked = sample_tokens(logits, sampling=Sampling(temperature=1e-4), generators=some_generators(4))
    assert torch.equal(picked, logits.argmax(-1))


def test_the_draws_of_a_row_do_not_depend_on_its_neighbours():
    logits, sampling = some_logits(), Sampling(temperature=1.3, top_p=0.9)
    together = sample_tokens(logits, sampling=sampling, generators=some_generators(4))
    for row in range(4):
        alone = sample_tokens(logits[row : row + 1], sampling=sampling, generators=some_generators(1, seed=row))
        assert alone.item() == together[row]


def test_repetition_penalty_lowers_seen_tokens_only_whatever_their_sign():
    logits = torch.tensor([[2.0, -2.0, 3.0, -3.0]])
    seen = torch.tensor([[True, True, False, False]])
    assert penalize_repetition(logits, seen=seen, penalty=2.0).tolist() == [[1.0, -4.0, 3.0, -3.0]]
    assert penalize_repetition(logits, seen=seen, penalty=0.5).tolist() == [[4.0, -1.0, 3.0, -3.0]]


def test_repetition_penalty_reaches_greedy_choice():
    logits, seen = torch.tensor([[2.0, 1.9]]), torch.tensor([[True, False]])
    sampling = Sampling(temperature=0, repetition_penalty=1.2)
    assert sample_tokens(logits, sampling=sampling, generators=some_generators(1), seen=seen).item() == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 1e-30),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_k", 0),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", 1e-50),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", math.nan),
        ("repetition_penalty", 5e-324),
        ("repetition_penalty", 1e300),
    ],
)
def test_impossible_options_are_refused_by_name_with_a_remedy(key, value):
    with pytest.raises(ValueError, match=rf"sampling\.{key} .*: try "):
        Sampling(**{key: value})


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.7),
        Sampling(top_k=20),
        Sampling(top_k=HEAD),
        Sampling(top_k=3 * HEAD),
        Sampling(top_p=0.6),
        Sampling(top_p=0.95, top_k=30, temperature=1.3),
    ],
    ids=["plain", "cold", "top k", "top k as the head", "top k beyond", "top p", "both"],
)
@pytest.mark.parametrize("spread", [0.3, 2.0, 6.0], ids=["flat", "wide", "peaked"])
@pytest.mark.parametrize("rounded", [False, True], ids=["all differ", "many equal"])
def test_a_large_vocabulary_gives_the_tokens_of_one_ordered_whole(sampling, spread, rounded):
    random = torch.Generator().manual_seed(1)
    logits = spread * torch.randn(64, 6 * HEAD, generator=random)
    logits = logits.mul(2).round() / 2 if rounded else logits
    found = sample_tokens(logits, sampling=sampling, generators=some_generators(64))
    draws = torch.tensor([torch.rand((), generator=each, dtype=torch.float64) for each in some_generators(64)])
    probabilities, tokens = truncated_distribution(logits, sampling=sampling)
    totals = probabilities.cumsum(-1)
    place = (totals <= draws[:, None].float() * totals[:, -1:]).sum(-1, keepdim=True)
    assert found.tolist() == tokens.gather(-1, place)[:, 0].tolist()


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(temperature=0.7, top_k=3), Sampling(temperature=1.4, top_p=0.8)], ids=str
)
def test_drawn_log_probabilities_are_a_distribution_that_is_zero_where_the_filter_drops(sampling):
    torch.manual_seed(0)
    logits, tokens = torch.randn(1, 9).expand(9, 9), torch.arange(9)
    found = drawn_log_probabilities(logits, tokens, sampling=sampling)
    assert float(found.exp().sum()) == pytest.approx(1.0)
    kept = found > -torch.inf
    assert torch.allclose(found[kept], chosen_log_probabilities(logits, tokens, sampling=sampling)[kept])
    draws = sample_tokens(logits[:1].expand(2000, 9), sampling=sampling, generators=some_generators(2000))
    assert {*draws.tolist()} <= {*tokens[kept].tolist()}
    assert torch.allclose(draws.bincount(minlength=9) / 2000, found.exp(), atol=0.04)
