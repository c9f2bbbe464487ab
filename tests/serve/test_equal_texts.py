"""A text is the same alone and among others, from any slot, with prompts taken over and not, to the last bit."""

import random
from functools import partial

import pytest
import torch

from lm.generation import Generator, Sampling, random_generator
from lm.model import (
    Attention,
    DynamicScaling,
    Experts,
    HashedNgrams,
    LearnedPositions,
    LongRoPEScaling,
    PostNormBlock,
    Rotary,
    SwiGLU,
    Transformer,
)
from lm.serve import Request
from support.engines import TOKENIZER, Asked, an_engine, answered

GREEDY = Sampling(temperature=0)
LIVELY = Sampling(temperature=1.2, top_p=0.97, repetition_penalty=1.1)
TOKENS = 6
ATTENTION = partial(Attention, heads=4, key_value_heads=2)
LONG = partial(LongRoPEScaling, short=[1] * 4, long=[2, 9, 9, 9], original_context=70, factor=4)
KINDS = {
    "shared key/value heads": {},
    "windows and caps": {
        "attention": [partial(ATTENTION, head_dim=16, window=5, cap=2.0), partial(ATTENTION, head_dim=16)],
        "logit_cap": 3.0,
    },
    "learned positions": {"position": None, "position_embedding": LearnedPositions, "block": PostNormBlock},
    "no positions in one layer": {"position": [None, partial(Rotary, fraction=0.5)]},
    "experts": {"feedforward": partial(Experts, expert=partial(SwiGLU, hidden=32), experts=4, top=2)},
    "angles of the length": {
        "position": partial(Rotary, scaling=partial(DynamicScaling, factor=2, original_context=70))
    },
    "angles of long texts": {"position": partial(Rotary, scaling=LONG)},
    "n-grams": {"ngrams": partial(HashedNgrams, rows=64)},
    "odd widths": {"attention": partial(Attention, heads=3, key_value_heads=1, head_dim=6), "dim": 18},
    "bf16": {"dtype": torch.bfloat16},
}


def build(*, dtype: torch.dtype = torch.float32, **parts) -> Transformer:
    torch.manual_seed(0)
    sizes = {"vocab_size": TOKENIZER.vocab_size, "context": 256, "dim": 32, "layers": 2}
    given = {"attention": ATTENTION, "feedforward": partial(SwiGLU, hidden=48)}
    model = Transformer(**sizes | given | parts)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model.eval().to(dtype)


def requests(count: int) -> list[Request]:
    """Greedy and drawn, scored and not, of prompts that begin alike, are alike, or have nothing in common."""
    draw = random.Random(1)
    beginnings = [[draw.randrange(256) for _ in range(size)] for size in (130, 64, 20, 0)]
    prompts = [
        draw.choice(beginnings) + [draw.randrange(256) for _ in range(draw.randrange(1, 20))] for _ in range(count - 4)
    ]
    prompts[count // 2 : count // 2] = [beginnings[0], beginnings[0], beginnings[1], beginnings[1]]
    return [
        Request(
            prompt=prompt,
            sampling=LIVELY if number % 2 else GREEDY,
            max_tokens=TOKENS,
            seed=7,
            choice=number,
            stop_tokens=[],
            alternatives=None if number % 3 else 2,
            echo=number % 6 == 3,
        )
        for number, prompt in enumerate(prompts)
    ]


def updates(asked: list[Asked]) -> list[list]:
    return [each.updates for each in asked]


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_alone_and_among_others_is_the_same_to_the_last_bit_of_its_scores(kind):
    model, asked = build(**KINDS[kind]), requests(50 if kind == "shared key/value heads" else 12)
    engine = an_engine(model)
    together = updates(answered(engine, asked))
    assert engine.counters().cached_prompt_tokens > 0
    lone = an_engine(model, slots=1, prefixes=False)
    assert [answered(lone, [each])[0].updates for each in asked] == together
    shuffled = random.Random(2).sample(range(len(asked)), len(asked))  # other slots, which now hold other texts
    again = updates(answered(engine, [asked[number] for number in shuffled]))
    assert again == [together[number] for number in shuffled]
    narrow = an_engine(model, slots=5, prefill_tokens=64, prefixes=False)
    assert updates(answered(narrow, asked)) == together


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bf16"])
def test_texts_are_those_of_a_generator_and_scores_those_of_one_forward(kind):
    model, asked = build(**KINDS[kind]), requests(8)
    generator = Generator(model, TOKENIZER)
    for each in answered(an_engine(model), asked):
        request = each.request
        draws = [random_generator(request.seed, request.choice)]
        (expected,) = generator.generate(
            [request.prompt], sampling=request.sampling, max_tokens=TOKENS, stop_tokens=[], generators=draws
        )
        assert (each.text, each.tokens, each.reason) == (expected.text, expected.tokens, expected.reason)
        if request.alternatives is None or "angles" in kind:  # those of a longer text are others
            continue
        read = [*request.prompt, *each.tokens]
        with torch.no_grad():
            likely = model(torch.tensor([read]))[0].log_softmax(-1)
        scores = [score for update in each.updates for score in update.scores]
        start = 1 if request.echo else len(request.prompt)
        scores = [*each.updates[0].prompt_scores[1:], *scores]
        assert [score.token for score in scores] == read[start:]
        for place, score in enumerate(scores, start - 1):
            assert score.log_probability == pytest.approx(likely[place, score.token].item(), abs=1e-5)
            best = likely[place].topk(2)
            assert [token for token, _ in score.alternatives] == best.indices.tolist()
            assert [value for _, value in score.alternatives] == pytest.approx(best.values.tolist(), abs=1e-5)
