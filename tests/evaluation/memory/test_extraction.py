"""The probability of drawing a suffix is that of the sampler, and greedy decoding gives what is counted as verbatim."""

from math import exp, inf, log

import pytest
import torch

from lm.evaluation.memory.extraction import Extraction, Window, extract
from lm.generation import Generator, Sampling
from support.asked import network, tokenizer

PROMPTS = ["the cat sat on", "the dog ran to the red house. yes", "A B"]
SCHEMES = {
    "plain": Sampling(),
    "filtered": Sampling(temperature=0.7, top_k=40, top_p=0.9),
    "without repetition": Sampling(temperature=1.3, top_k=5, repetition_penalty=1.5),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_q_is_what_the_generator_reports_for_its_own_draws(scheme):
    generator, sampling = Generator(network(), tokenizer()), SCHEMES[scheme]
    prompts = [tokenizer().encode(text) for text in PROMPTS] * 3
    options = {"sampling": sampling, "max_tokens": 9, "stop_tokens": [], "log_probabilities": True}
    drawn = generator.generate(prompts, **options)
    windows = [Window(tuple(prompt), tuple(each.tokens)) for prompt, each in zip(prompts, drawn, strict=True)]
    for batch_tokens in (4096, 20):
        found = extract(network(), windows, sampling=sampling, batch_tokens=batch_tokens)
        for one, each in zip(found, drawn, strict=True):
            assert one.log_q == pytest.approx(sum(each.log_probabilities), abs=1e-4)


def test_a_suffix_that_the_filter_drops_is_never_drawn_but_still_has_nats():
    prompt = tuple(tokenizer().encode(PROMPTS[0]))
    unlikely = int(network()(torch.tensor([prompt]))[0, -1].argmin())
    (plain,) = extract(network(), [Window(prompt, (unlikely,))], sampling=Sampling())
    (filtered,) = extract(network(), [Window(prompt, (unlikely,))], sampling=Sampling(top_k=3))
    assert plain.log_q == pytest.approx(-plain.nats)
    assert filtered.log_q == -inf
    assert filtered.drawn(10**9) == 0.0
    assert filtered.nats == plain.nats


def test_verbatim_is_what_greedy_decoding_gives():
    generator, greedy = Generator(network(), tokenizer()), Sampling(temperature=0)
    prompt = tokenizer().encode(PROMPTS[1])
    (given,) = generator.generate([prompt], sampling=greedy, max_tokens=8, stop_tokens=[])
    other = [*given.tokens[:5], (given.tokens[5] + 1) % tokenizer().vocab_size, *given.tokens[6:]]
    right, wrong = extract(
        network(), [Window(tuple(prompt), tuple(each)) for each in (given.tokens, other)], sampling=greedy
    )
    assert (right.verbatim, right.matched, right.log_q) == (True, 8, 0.0)
    assert (wrong.verbatim, wrong.matched, wrong.log_q) == (False, 5, -inf)


@pytest.mark.parametrize(
    ("q", "n", "expected"), [(0.25, 1, 0.25), (0.25, 2, 0.4375), (1.0, 3, 1.0), (1e-20, 1000, 1e-17), (0.0, 5, 0.0)]
)
def test_n_draws_give_it_at_least_once_with_one_less_all_failures(q, n, expected):
    found = Extraction(log(q) if q else -inf, 0, 0.0, 1)
    assert found.drawn(n) == pytest.approx(expected, rel=1e-9)


def test_draws_of_the_sampler_give_a_suffix_as_often_as_q_says():
    prompt, sampling = tokenizer().encode(PROMPTS[2]), Sampling(temperature=0.6, top_k=3)
    options = {"sampling": sampling, "max_tokens": 2, "stop_tokens": []}
    drawn = [tuple(each.tokens) for each in Generator(network(), tokenizer()).generate([prompt] * 2000, **options)]
    found = extract(network(), [Window(tuple(prompt), each) for each in {*drawn}], sampling=sampling)
    for suffix, one in zip({*drawn}, found, strict=True):
        assert drawn.count(suffix) / 2000 == pytest.approx(exp(one.log_q), abs=0.05)
    assert sum(exp(one.log_q) for one in found) == pytest.approx(1.0, abs=0.01)
