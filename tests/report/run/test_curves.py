"""Metrics are grouped into charts, and long curves keep their extremes."""

import random

from lm.report.run.curves import MOST_POINTS, charts, thinned, tokens_per_step


def test_metrics_of_one_quantity_share_a_chart():
    found = charts(
        {
            "train/gradient_norm": ([1], [2.0]),
            "train/loss": ([1], [2.0]),
            "validation/loss/code": ([1], [2.0]),
            "train/tokens": ([1], [2.0]),
            "reward": ([1], [2.0]),
        }
    )
    assert [chart["title"] for chart in found] == [
        "loss (nats per token)", "reward", "gradient norm, before clipping",
    ]  # fmt: skip
    assert [curve["label"] for curve in found[0]["curves"]] == ["train", "validation, code"]


def test_a_learning_rate_is_drawn_as_it_was_set():
    noisy = {
        chart["title"]: chart["noisy"]
        for chart in charts({f"train/{name}": ([1], [1.0]) for name in ("loss", "learning_rate")})
    }
    assert noisy == {"loss (nats per token)": True, "learning rate": False}


def test_a_long_curve_keeps_its_ends_and_every_peak():
    draw = random.Random(0)
    values = [draw.random() for _ in range(50_000)]
    values[31_234], values[77] = 9.0, -9.0
    kept = thinned(range(50_000), values)
    assert len(kept) <= MOST_POINTS
    assert {0, 77, 31_234, 49_999} <= {*kept}
    assert kept == sorted(kept)


def test_a_short_curve_is_drawn_whole():
    assert thinned(range(2000), [0.0] * 2000) == [*range(2000)]


def test_the_axis_of_tokens_comes_from_the_metric():
    assert tokens_per_step({"train/tokens": ([10, 20], [5120.0, 10240.0])}) == 512
    assert tokens_per_step({}) is None
