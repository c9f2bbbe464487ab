import pytest

from lm.sweep.space import choice, interval, points, size, stepped

distributions = pytest.importorskip(
    "optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'"
).distributions


def test_integer_bounds_give_integers_and_keep_log() -> None:
    assert interval(1, 64, log=True) == distributions.IntDistribution(1, 64, log=True)
    assert interval(1e-4, 1, log=True) == distributions.FloatDistribution(1e-4, 1, log=True)


@pytest.mark.parametrize(
    ("values", "counted"),
    [
        ([1, 3, 5], [1, 3, 5]),
        ([5, 3, 1], [1, 3, 5]),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]),
        ([0.5], [0.5]),
        ([7], [7]),
    ],
)
def test_numbers_in_steps_are_counted_as_they_were_written(values: list[float], counted: list[float]) -> None:
    assert points(stepped(values)) == counted


def test_a_space_has_as_many_points_as_its_values_multiply_to() -> None:
    space = {"x": stepped([1, 2, 3]), "kind": choice(["a", "b"])}
    assert size(space) == 6
    assert size({**space, "rate": interval(0.0, 1.0, log=False)}) is None
    assert size({**space, "n": interval(1, 4, log=False)}) == 24
