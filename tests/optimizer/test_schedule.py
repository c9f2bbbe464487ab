import pytest

from lm.optimizer import constant, cosine, warmup_stable_decay


@pytest.mark.parametrize("schedule", [constant, cosine, warmup_stable_decay])
@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_factors_stay_in_zero_to_one(schedule, steps):
    factors = [schedule(step, steps, warmup=0.1) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)


def test_warmup_rises_in_equal_steps_to_one():
    assert [constant(step, 100, warmup=0.04) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_stable_part_holds_and_decay_ends_above_the_minimum():
    factors = [warmup_stable_decay(step, 100, warmup=0.1, decay=0.2) for step in range(100)]
    assert factors[10:81] == [1.0] * 71
    assert factors[81:] == pytest.approx([(100 - step) / 20 for step in range(81, 100)])


def test_cosine_ends_at_its_minimum():
    assert cosine(999, 1000, minimum=0.1) == pytest.approx(0.1)
    assert cosine(504, 1000, warmup=0.01, minimum=0.0) == pytest.approx(0.5, abs=0.01)
