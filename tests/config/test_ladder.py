"""All hyperparameters of the ladder follow from the depth, by the cited rules."""

import pytest

from lm.config.ladder import batch_tokens, heads, learning_rate, rung, weight_decay, weights, width

DEPTHS = range(1, 41)


def test_the_shape_is_the_same_at_every_depth():
    for depth in DEPTHS:
        dim = width(depth)
        assert dim == 32 * depth
        assert dim % (2 * heads(dim)) == 0, "rotary positions turn pairs"
        assert weights(depth, dim) == depth**3 * weights(1, width(1))
    for depth in range(2, 41, 2):
        assert width(depth) / heads(width(depth)) == 64


@pytest.mark.parametrize(
    ("dim", "expected"), [(1, 1), (32, 1), (96, 2), (100, 2), (126, 3), (127, 1), (192, 3), (1024, 16)]
)
def test_heads_divide_any_width(dim, expected):
    assert heads(dim) == expected


def test_learning_rate_and_batch_follow_step_law():
    sizes = [(depth, width(depth)) for depth in (4, 40)]
    times = weights(*sizes[1]) / weights(*sizes[0])
    rates = [learning_rate(*each) for each in sizes]
    assert rates[1] / rates[0] == pytest.approx(times ** (0.307 - 0.713), rel=0.01)
    assert learning_rate(4, 128, tokens_per_parameter=200) / rates[0] == pytest.approx(10**0.307, rel=0.01)
    for depth in DEPTHS:
        exact = 0.58 * (20 * weights(depth, width(depth))) ** 0.571
        batch = batch_tokens(depth, width(depth), context=256)
        assert batch == 256 or 2**-0.51 < batch / exact < 2**0.51
        assert (batch // 256).bit_count() == 1, "any number of devices that is a power of two shares it"
    assert batch_tokens(1, 32, context=4096) == 4096, "a row at least"


def test_the_learning_rate_of_known_sizes_is_in_common_use():
    """Models of a billion weights train at a few times 1e-4, model=tiny with 1.5 million at a few times 1e-3."""
    assert 2e-4 < learning_rate(40, 1280) < 6e-4
    assert 2e-3 < learning_rate(4, 192) < 6e-3


def test_weights_average_over_the_run_at_any_learning_rate_and_batch():
    for depth, rate, batch in [(2, 1e-2, 2048), (8, 1e-3, 65536), (8, 3e-3, 4096)]:
        decay = weight_decay(depth, 32 * depth, learning_rate=rate, batch_tokens=batch)
        steps = 20 * weights(depth, 32 * depth) / batch
        assert decay * rate * steps == pytest.approx(1.0, rel=0.01)


def test_a_rung_lists_every_derived_value_by_its_config_key():
    found = rung(6, context=512, tokens_per_parameter=5)
    assert (found["model.depth"], found["model.dim"], found["model.attention.heads"]) == (6, 192, 3)
    assert found["budget.batch_tokens"] == batch_tokens(6, 192, context=512, tokens_per_parameter=5)
    assert found["optimizer.learning_rate"] == learning_rate(6, 192, tokens_per_parameter=5)
    assert found["optimizer.weight_decay"] == weight_decay(
        6,
        192,
        learning_rate=found["optimizer.learning_rate"],
        batch_tokens=found["budget.batch_tokens"],
        tokens_per_parameter=5,
    )
