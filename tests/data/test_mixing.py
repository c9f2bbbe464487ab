"""Mixtures, stages and caps over a whole run equal naive counting at every prefix."""

import random
from math import ceil

import numpy as np
import pytest

from lm.data import DataPlan, Row, Rows, RowSource, mixing, pattern
from lm.data.mixing import Mixing
from lm.data.mixture import Stages, Temperature, Uniform, Weights
from lm.optimizer import Plan

CONTEXT = 16


class Ragged(RowSource):
    """Rows of different lengths."""

    def __init__(self, counts):
        self.counts = np.asarray(counts, dtype=np.int64)

    def row(self, index):
        ids = np.full(CONTEXT, index)
        return Row(ids, ids, np.arange(CONTEXT) < self.counts[index])


def planned(sources, *, steps=100, rows=8, seed=0, mixture=None, max_epochs=None, excess="refuse") -> DataPlan:
    """A plan for sources made of nothing but the lengths of their rows."""
    parts = {name: Ragged(counts) for name, counts in sources.items()}
    plan = Plan(steps=steps, rows_per_step=rows, rows_per_device=rows, accumulate=1, devices=1, row_tokens=CONTEXT)
    return Rows(parts, tokenizer=None, mixing=Mixing(mixture, max_epochs, excess)).plan(plan, seed=seed)


def read(data) -> tuple[np.ndarray, np.ndarray]:
    return data.order.rows(0, data.plan.steps * data.plan.rows_per_step)


def readings(data) -> dict[str, np.ndarray]:
    """How often each row is read over the whole run, counted one by one."""
    sources, rows = read(data)
    return {
        name: np.bincount(rows[sources == number], minlength=len(source))
        for number, (name, source) in enumerate(data.rows.sources.items())
    }


def drawn_sources(draw) -> dict[str, list[int]]:
    return {f"s{n}": [draw.randint(1, CONTEXT) for _ in range(draw.randint(1, 120))] for n in range(draw.randint(1, 6))}


def drawn_mixture(draw, names):
    if draw.random() < 0.5:
        chosen = draw.sample(names, draw.randint(1, len(names)))
        return Weights({name: draw.choice([1, 0.3, draw.random() + 1e-3]) for name in chosen})
    return draw.choice([Uniform(), Temperature(draw.choice([0.7, 1, 3, 5]))])


def drawn(draw, sources):
    """A mixture, or up to four stages of them."""
    count = draw.choice([1, 1, 2, 3, 4])
    if count == 1:
        return drawn_mixture(draw, list(sources))
    ends = sorted(draw.sample(range(5, 100), count - 1))
    until = {f"stage {n}": end / 100 for n, end in enumerate(ends)} | {"last": 1}
    return Stages({name: drawn_mixture(draw, list(sources)) for name in until}, until=until)


def assert_exact(data) -> None:
    """Every prefix of every stage holds each source's share of rows to within one, and no epoch is cut short."""
    sources, rows = read(data)
    begin, number = 0, np.arange(len(data.rows.sources))
    wanted_before = np.zeros(len(number))
    for stage, part in enumerate(data.stages):
        assert part.rows % data.plan.rows_per_step == 0
        here = sources[begin : begin + part.rows]
        counts = np.cumsum(here[:, None] == number, axis=0)
        wanted = np.arange(1, part.rows + 1)[:, None] * np.array([float(share) for share in part.row_shares])
        assert np.abs(counts - wanted).max() < 1 + 1e-9
        whole = np.bincount(sources[:begin], minlength=len(number)) + counts
        assert np.abs(whole - wanted_before - wanted).max() < stage + 1 + 1e-9
        wanted_before += wanted[-1]
        begin += part.rows
    assert begin == len(sources)
    for each, source in enumerate(data.rows.sources.values()):
        found = rows[sources == each]
        for start in range(0, len(found) - len(source) + 1, len(source)):
            assert len({*found[start : start + len(source)].tolist()}) == len(source)


@pytest.mark.parametrize("seed", range(60))
def test_shares_are_exact_to_a_row_at_every_prefix_of_every_stage(seed):
    draw = random.Random(seed)
    sources = drawn_sources(draw)
    data = planned(sources, mixture=drawn(draw, sources), steps=draw.randint(60, 300), rows=draw.randint(1, 9))
    assert_exact(data)
    for part in data.stages:  # rows times what they hold on average are the tokens that were asked for
        held = [
            share * sum(sources[name]) / len(sources[name])
            for name, share in zip(sources, part.row_shares, strict=True)
        ]
        assert [each / sum(held) for each in held] == [part.requested[name] for name in sources]


def test_over_whole_epochs_tokens_are_exact_whatever_the_rows_hold():
    sources = {"long": [16, 12, 14, 14], "short": [1, 2, 3, 2, 2, 2]}  # 56 and 12 tokens
    data = planned(sources, mixture=Weights({"long": 56 * 3, "short": 12 * 4}), steps=36, rows=1)
    found = data.summarize(36)["sources"]
    assert {name: each["tokens"] for name, each in found.items()} == {"long": 56 * 3, "short": 12 * 4}
    assert all(each["share"] == each["wanted"] for each in found.values())


@pytest.mark.parametrize("seed", range(80))
def test_with_excess_redistribute_no_row_is_read_beyond_its_cap_and_prefixes_stay_exact(seed):
    draw = random.Random(1000 + seed)
    sources = drawn_sources(draw)
    mixture = drawn(draw, sources)
    caps = {name: draw.choice([0.5, 1, 1.5, 2, 4, 7.3]) for name in sources}
    caps = draw.choice([caps, {name: caps[name] for name in list(caps)[:-1]} or caps, 4])
    steps, rows = draw.randint(60, 200), draw.randint(1, 4)
    try:
        data = planned(sources, mixture=mixture, max_epochs=caps, excess="redistribute", steps=steps, rows=rows)
    except ValueError as error:
        if "may be read: lower the budget" not in str(error):
            raise
        return
    assert_exact(data)
    for name, counts in readings(data).items():
        cap = caps.get(name, float("inf")) if isinstance(caps, dict) else caps
        assert counts.max() <= (cap if cap == float("inf") else ceil(cap))
        assert counts.sum() <= cap * len(counts) + 1e-9


def test_some_of_the_drawn_caps_bind_and_some_are_refused():
    """Lest the test above prove nothing."""
    bound = planned({"a": [4] * 10, "b": [4] * 1000}, mixture=Uniform(), max_epochs=3, excess="redistribute", steps=50)
    assert {name: int(counts.sum()) for name, counts in readings(bound).items()} == {"a": 30, "b": 370}
    with pytest.raises(
        ValueError, match=r"only 330 of the 400 rows may be read: lower the budget, raise data\.max_epochs"
    ):
        planned({"a": [4] * 10, "b": [4] * 100}, mixture=Uniform(), max_epochs=3, excess="redistribute", steps=50)


def unimax(sizes: dict[str, int], budget: float, cap: float) -> dict[str, float]:
    """The algorithm of Chung et al. 2023: from the smallest on, an equal share of the remaining budget, or the cap."""
    left, found = budget, {}
    for number, name in enumerate(sorted(sizes, key=sizes.__getitem__)):
        found[name] = min(left / (len(sizes) - number), cap * sizes[name])
        left -= found[name]
    return found


@pytest.mark.parametrize("seed", range(20))
def test_uniform_with_caps_redistribute_is_unimax(seed):
    draw = random.Random(seed)
    sizes = {f"s{n}": draw.randint(1, 400) for n in range(draw.randint(2, 6))}
    budget = draw.randint(40, 4 * sum(sizes.values()))
    sources = {name: [8] * size for name, size in sizes.items()}
    data = planned(sources, mixture=Uniform(), max_epochs=4, excess="redistribute", steps=budget, rows=1)
    wanted = unimax(sizes, budget, 4)
    for name, counts in readings(data).items():
        assert abs(counts.sum() - wanted[name]) <= 1


def test_stages_give_way_by_the_same_factor_and_keep_their_own_proportions():
    mixture = Stages(
        {"early": Weights({"a": 1, "b": 1, "c": 2}), "late": Weights({"a": 3, "b": 1})}, until={"early": 0.5, "late": 1}
    )
    sources = {"a": [4] * 100, "b": [4] * 9000, "c": [4] * 9000}
    data = planned(sources, mixture=mixture, max_epochs={"a": 2}, excess="redistribute", steps=200, rows=8)
    early, late = data.stages  # 800 rows each; a would have 200 and 600, and may have 200
    assert [float(share) * 800 for share in early.row_shares] == pytest.approx([50, 250, 500])
    assert [float(share) * 800 for share in late.row_shares] == pytest.approx([150, 650, 0])


def test_rounded_patterns_keep_to_the_cap(monkeypatch):
    monkeypatch.setattr(pattern, "MAX_PERIOD", 97)
    monkeypatch.setattr(mixing, "MAX_PERIOD", 97)
    sources = {"a": [3, 5] * 20, "b": [7] * 2000, "c": [2, 9, 4] * 40}
    for seed in range(20):
        weights = {name: random.Random(f"{seed}{name}").random() + 0.1 for name in sources}
        data = planned(
            sources, mixture=Weights(weights), max_epochs={"a": 1.3, "c": 2}, excess="redistribute", steps=1000, rows=1
        )
        found = readings(data)
        assert found["a"].sum() <= 52
        assert found["c"].max() <= 2
        assert_exact(data)


def test_stages_end_at_the_nearest_step_and_one_without_a_step_is_refused():
    mixture = Stages({"early": Uniform(), "late": Uniform()}, until={"early": 0.25, "late": 1})
    for steps, end in ((10, 3), (9, 2), (11, 3), (2, 1)):  # halves go up
        assert planned({"a": [1]}, mixture=mixture, steps=steps).stages[0].rows == end * 8
    with pytest.raises(
        ValueError, match=r"data\.mixture\.until\.early=0\.25: the stage would have none of the 1 steps: lengthen"
    ):
        planned({"a": [1]}, mixture=mixture, steps=1)


def test_a_cap_for_a_source_refuses_with_the_numbers_or_gives_to_others():
    sources = {"code": [4] * 10, "prose": [4] * 200}
    even = Weights({"code": 1, "prose": 1})
    planned(sources, mixture=even, max_epochs={"code": 40})
    with pytest.raises(ValueError, match=r"data\.max_epochs: the budget would read code 40\.00 times; lower"):
        planned(sources, mixture=even, max_epochs={"code": 39.9})
    with pytest.raises(ValueError, match=r"data\.max_epochs\.cod: no such source; did you mean code\?"):
        planned(sources, mixture=even, max_epochs={"cod": 4})
    with pytest.raises(ValueError, match=r"data\.excess=redistribute gives.*data/mixture=temperature"):
        Mixing(None, 4, "redistribute")
    planned(sources, max_epochs=3.9)  # without a mixture, all are read alike: 800 of 210 rows
    with pytest.raises(ValueError, match=r"data\.max_epochs=3\.8: the budget would read code 3\.81 times, prose 3\.81"):
        planned(sources, max_epochs=3.8)


def test_a_share_below_what_a_long_pattern_can_hold_is_refused(monkeypatch):
    monkeypatch.setattr(pattern, "MAX_PERIOD", 100)
    with pytest.raises(ValueError, match=r"data\.mixture\.weights: tiny would have less than one row"):
        planned({"tiny": [1], "b": [1]}, mixture=Weights({"tiny": 1, "b": 9999}))


def test_the_summary_equals_naive_counting_wherever_the_run_ended():
    draw = random.Random(5)
    sources = drawn_sources(draw)
    mixture = Stages({"early": Uniform(), "late": Weights({"s0": 1, "s1": 3})}, until={"early": 0.7, "late": 1})
    data = planned(sources, mixture=mixture, steps=50)
    for steps in (50, 36, 35, 34, 1):
        where, rows = data.order.rows(0, steps * 8)
        for found, begin, end in [
            (data.summarize(steps)["sources"], 0, steps * 8),
            (data.summarize(steps)["stages"]["early"], 0, min(steps, 35) * 8),
            (data.summarize(steps)["stages"].get("late", {}), 35 * 8, steps * 8),
        ]:
            total = sum(sources[f"s{s}"][r] for s, r in zip(where[begin:end], rows[begin:end], strict=True))
            for number, name in enumerate(found):
                mine = rows[begin:end][where[begin:end] == number]
                tokens = sum(sources[name][row] for row in mine)
                assert (found[name]["rows"], found[name]["tokens"]) == (len(mine), tokens)
                assert found[name]["epochs"] == pytest.approx(len(mine) / len(sources[name]), abs=1e-6)
                assert found[name]["share"] == pytest.approx(tokens / total, abs=1e-6)
    late = data.summarize(50)["stages"]["late"]
    assert [each["wanted"] for each in late.values()][:2] == [0.25, 0.75]
    unmixed = planned(sources, steps=3).summarize(3)
    assert unmixed.keys() == {"sources"}
    assert sum(each["rows"] for each in unmixed["sources"].values()) == 24


def test_stages_are_described_with_the_requested_share_where_a_cap_prevents_it():
    mixture = Stages(
        {"early": Weights({"code": 1, "prose": 9}), "late": Weights({"code": 1, "prose": 1})},
        until={"early": 0.8, "late": 1},
    )
    sources = {"code": [4] * 100, "prose": [4] * 1000, "rest": [4]}
    assert planned(sources, mixture=mixture).describe_stages() == [
        "early, 640 rows: 10.0% code (0.64 epochs), 90.0% prose (0.58 epochs)",
        "late, 160 rows: 50.0% code (0.80 epochs), 50.0% prose (0.08 epochs)",
    ]
    capped = planned(
        sources, mixture=Uniform(), max_epochs={"code": 2, "rest": 8}, excess="redistribute"
    ).describe_stages()
    assert capped == [
        "800 rows: 25.0% code (2.00 epochs, 33.3% requested), 74.0% prose (0.59 epochs, 33.3% requested), "
        "1.0% rest (8.00 epochs, 33.3% requested)"
    ]
    assert planned(sources).describe_stages() == []
