"""Scaled rotary frequencies are those of `transformers`."""

import math
from functools import partial

import pytest
import torch

from lm.model import DynamicScaling, LinearScaling, Llama3Scaling, LongRoPEScaling, Rotary, YarnScaling

HEAD_DIM, THETA, ORIGINAL, FACTOR = 24, 10_000.0, 64, 4.0
SHORT, LONG = [1.0 + n / 8 for n in range(12)], [1.0 + n * n / 4 for n in range(12)]
AT = {"factor": FACTOR, "original_context": ORIGINAL}
KINDS = {
    "linear": (partial(LinearScaling, factor=FACTOR), {}),
    "dynamic": (partial(DynamicScaling, **AT), {}),
    "yarn": (partial(YarnScaling, **AT), {}),
    "yarn, exact range": (
        partial(YarnScaling, **AT, fast=8, slow=2, truncate=False),
        {"beta_fast": 8, "beta_slow": 2, "truncate": False},
    ),
    "longrope": (partial(LongRoPEScaling, **AT, short=SHORT, long=LONG), {"short_factor": SHORT, "long_factor": LONG}),
    "llama3": (partial(Llama3Scaling, **AT), {"low_freq_factor": 1.0, "high_freq_factor": 4.0}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [ORIGINAL, ORIGINAL + 1, 200])
def test_frequencies_are_those_of_transformers(kind, length):
    utils = pytest.importorskip("transformers.modeling_rope_utils")
    from transformers import LlamaConfig

    factory, more = KINDS[kind]
    name = kind.partition(",")[0]
    parameters = {"rope_type": name, "rope_theta": THETA, "factor": FACTOR, **more}
    if name not in ("linear", "dynamic"):
        parameters["original_max_position_embeddings"] = ORIGINAL
    config = LlamaConfig(
        hidden_size=HEAD_DIM, num_attention_heads=1, max_position_embeddings=ORIGINAL, rope_parameters=parameters
    )
    expected, factor = utils.ROPE_INIT_FUNCTIONS[name](config, seq_len=length)
    rotary = Rotary(HEAD_DIM, theta=THETA, scaling=factory)
    cosine, sine = rotary(torch.tensor([[3]]), lambda: torch.tensor([[length]]))
    torch.testing.assert_close(cosine.flatten()[:12], (3 * expected).cos() * factor)
    torch.testing.assert_close(sine.flatten()[12:], (3 * expected).sin() * factor)


def test_the_attention_factor_follows_from_the_factor_or_is_given():
    assert YarnScaling(**AT).attention_factor == pytest.approx(0.1 * math.log(4) + 1)
    assert YarnScaling(**AT, attention_factor=1.5).attention_factor == 1.5
    longrope = partial(LongRoPEScaling, **AT, short=SHORT, long=LONG)
    assert longrope().attention_factor == pytest.approx(math.sqrt(1 + math.log(4) / math.log(64)))
    assert longrope(attention_factor=1.25).attention_factor == 1.25


def test_each_token_has_the_frequencies_of_the_length_of_its_own_text():
    rotary = Rotary(HEAD_DIM, scaling=KINDS["longrope"][0])
    lengths = torch.tensor([[ORIGINAL, ORIGINAL + 1]])
    both = rotary(torch.tensor([[3, 3]]), lambda: lengths)[0]
    for place in (0, 1):
        alone = rotary(torch.tensor([[3]]), lambda place=place: lengths[:, place : place + 1])[0]
        assert torch.equal(both[:, place], alone[:, 0])
    assert not torch.equal(both[:, 0], both[:, 1])


def test_impossible_scalings_are_refused():
    with pytest.raises(ValueError, match=r"position\.scaling\.factor 0.5 is not at least 1"):
        LinearScaling(factor=0.5)
    with pytest.raises(ValueError, match=r"position\.scaling\.low 4 is not between 0 and high, 1"):
        Llama3Scaling(**AT, low=4, high=1)
    with pytest.raises(ValueError, match=r"position\.scaling\.short has 2 factors for 12 pairs"):
        Rotary(HEAD_DIM, scaling=partial(LongRoPEScaling, **AT, short=[1, 1], long=LONG))(torch.tensor([[0]]))
