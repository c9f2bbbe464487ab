"""Shares of a run as a person says them: by name, by size, by stage; and every mistake in a line."""

import re
from fractions import Fraction

import pytest

from lm.data.mixture import Stages, Temperature, Uniform, Weights

AMOUNTS = {"web/code": 100, "web/prose": 300, "books/prose": 600}
KEY = "data.mixture"


def shares(mixture, amounts=AMOUNTS) -> dict[str, float]:
    [stage] = mixture.divide(amounts, key=KEY)
    assert sum(stage.shares.values()) == 1
    assert list(stage.shares) == list(amounts)
    assert (stage.until, stage.name) == (1, "")
    return {source: float(share) for source, share in stage.shares.items()}


def test_weights_are_exact_shares_and_unnamed_sources_are_not_read():
    [stage] = Weights({"books/prose": 0.7, "web/code": 0.1}).divide(AMOUNTS, key=KEY)
    assert stage.shares == {"web/code": Fraction(1, 8), "web/prose": 0, "books/prose": Fraction(7, 8)}


def test_a_corpus_and_a_kind_stand_for_their_sources_in_proportion_to_tokens():
    by_corpus = shares(Weights({"web": 1, "books": 3}))
    assert by_corpus == pytest.approx({"web/code": 0.0625, "web/prose": 0.1875, "books/prose": 0.75})
    by_kind = shares(Weights({"code": 1, "prose": 1}))
    assert by_kind == pytest.approx({"web/code": 0.5, "web/prose": 1 / 6, "books/prose": 1 / 3})


@pytest.mark.parametrize("temperature", [0.5, 1, 1 / 0.3, 5, 100])
def test_temperature_gives_tokens_to_the_power_of_its_inverse(temperature):
    powers = {source: amount ** (1 / temperature) for source, amount in AMOUNTS.items()}
    total = sum(powers.values())
    assert shares(Temperature(temperature)) == pytest.approx({each: power / total for each, power in powers.items()})


def test_temperature_one_is_in_proportion_and_without_end_is_uniform():
    assert shares(Temperature(1)) == pytest.approx({"web/code": 0.1, "web/prose": 0.3, "books/prose": 0.6})
    assert shares(Uniform()) == pytest.approx(shares(Temperature(1e12)))
    assert (
        shares(Uniform(), {"a": 5, "empty": 0}) == {"a": 1, "empty": 0} == shares(Temperature(3), {"a": 5, "empty": 0})
    )


@pytest.mark.parametrize("temperature", [1, 2.5])
def test_no_more_than_max_size_of_a_source_counts(temperature):
    counted = {"vast": 3000, "middle": 3000, "small": 750}
    amounts = {"vast": 9_000_000, "middle": 3000, "small": 750, "empty": 0}
    found = shares(Temperature(temperature, max_size=3000), amounts)
    powers = {source: n ** (1 / temperature) for source, n in counted.items()}
    assert found == pytest.approx({s: p / sum(powers.values()) for s, p in powers.items()} | {"empty": 0})


def test_stages_follow_one_another_by_where_they_end_however_they_are_written():
    late, early = Weights({"code": 1}), Weights({"prose": 1})
    found = Stages({"late": late, "early": early}, until={"late": 1, "early": 0.8}).divide(AMOUNTS, key=KEY)
    assert [(stage.name, stage.until) for stage in found] == [("early", Fraction(4, 5)), ("late", 1)]
    assert found[1].shares == late.divide(AMOUNTS, key=KEY)[0].shares


def test_stages_within_a_stage_divide_it():
    inner = Stages({"a": Uniform(), "b": Temperature(1)}, until={"a": 0.5, "b": 1})
    found = Stages({"first": inner, "last": Uniform()}, until={"first": 0.6, "last": 1}).divide(AMOUNTS, key=KEY)
    assert [(stage.name, stage.until) for stage in found] == [
        ("first/a", Fraction(3, 10)),
        ("first/b", Fraction(3, 5)),
        ("last", 1),
    ]
    last = Stages({"first": Uniform(), "last": inner}, until={"first": 0.6, "last": 1}).divide(AMOUNTS, key=KEY)
    assert [stage.until for stage in last] == [Fraction(3, 5), Fraction(4, 5), 1]
    assert found[0].key == "data.mixture.stages.first.until.a=0.5"


def both(until) -> Stages:
    return Stages({"early": Uniform(), "late": Weights({"cod": 1})}, until=until)


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        (Weights({"cod": 1}), "data.mixture.weights.cod: no such source; did you mean code?"),
        (Weights({"boks": 1}), "data.mixture.weights.boks: no such source; did you mean books?"),
        (Weights({"code": -1}), "data.mixture.weights.code=-1: a weight is a number of at least 0"),
        (Weights({"code": float("nan")}), "data.mixture.weights.code=nan: a weight is a number"),
        (Weights({"code": float("inf")}), "data.mixture.weights.code=inf: a weight is a number"),
        (Weights({"code": 0}), "data.mixture.weights: nothing would be read: give one of web/code,"),
        (Weights({}), "data.mixture.weights: nothing would be read"),
        (Weights({"web": 1, "code": 1}), "data.mixture.weights: both web and code mean web/code: keep"),
        (Temperature(0), "data.mixture.temperature=0: must be more than 0"),
        (Temperature(float("nan")), "data.mixture.temperature=nan: must be more than 0"),
        (Temperature(float("inf")), "(data/mixture=uniform"),
        (Stages({}, until={}), "data.mixture.stages is empty: add a stage"),
        (both({"early": 0.5, "late": 1}), "data.mixture.stages.late.weights.cod: no such source; did you mean code?"),
        (both({"early": 0.5}), "data.mixture.until.late: missing: set where the stage ends"),
        (both({"early": 0.5, "late": 1, "lat": 1}), "data.mixture.until.lat: no such stage; did you mean late?"),
        (both({"early": 1.5, "late": 1}), "data.mixture.until.early=1.5: a share of the run is above 0 and at most 1"),
        (both({"early": 0, "late": 1}), "data.mixture.until.early=0: a share"),
        (both({"early": 0.5, "late": 0.9}), "data.mixture.until.late=0.9: the last stage ends before the run does"),
        (both({"early": 1, "late": 1}), "data.mixture.until: early and late both end at 1, so late would be empty"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_with_key_value_and_remedy(mixture, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        mixture.divide(AMOUNTS, key=KEY)
    assert "\n" not in str(error.value)


def test_a_source_with_nothing_in_it_may_have_no_weight():
    with pytest.raises(ValueError, match=r"weights\.b=0\.5, but b holds nothing to read: remove it"):
        Weights({"a": 1, "b": 0.5}).divide({"a": 3, "b": 0}, key=KEY)
    assert shares(Weights({"a": 1, "b": 0}), {"a": 3, "b": 0}) == {"a": 1, "b": 0}


def test_a_source_of_that_very_name_goes_before_a_corpus():
    assert shares(Weights({"code": 1}), {"code": 1, "code/more": 1}) == {"code": 1, "code/more": 0}


def test_a_name_that_is_a_corpus_and_a_kind_is_refused():
    with pytest.raises(ValueError, match=r"data\.mixture\.weights\.code is both a corpus and a kind.*as code/prose"):
        Weights({"code": 1}).divide({"code/prose": 1, "web/code": 1}, key=KEY)
