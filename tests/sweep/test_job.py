import pytest

from lm.sweep import Outcome, sweep_name


def test_a_name_has_all_overrides_but_those_of_the_run() -> None:
    assert sweep_name(["seed=1", "run.name=a", "+model=big"]) == "seed=1,+model=big"


def test_values_that_differ_in_a_slash_have_names_that_differ_and_each_is_one_directory() -> None:
    names = {sweep_name([f"data.path={value}"]) for value in ("a/b", "a-b", "a%2Fb", "a%b", "a/-b", "a-/b")}
    assert len(names) == 6
    assert not any("/" in name for name in names)


def test_names_that_are_too_long_are_cut_and_still_differ() -> None:
    one, other = (sweep_name([f"data.path={'ä' * 200}{end}"]) for end in "ab")
    assert one != other
    assert max(len(name.encode()) for name in (one, other)) <= 150


@pytest.mark.parametrize(("value", "number"), [(1, 1.0), (0.5, 0.5), (True, None), (None, None), ({"a": 1}, None)])
def test_only_one_number_can_be_compared(value: object, number: float | None) -> None:
    assert Outcome("", [], "", value=value).number == number
