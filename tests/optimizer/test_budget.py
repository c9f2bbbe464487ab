import pytest
from omegaconf import OmegaConf

from lm.config.build import build
from lm.config.composition import Composition
from lm.config.outline import config_directory
from lm.optimizer import Budget


def plan(budget, *, context=256, devices=1, rows=1000, parameters=10_000):
    return budget.plan(row_tokens=context, devices=devices, rows=rows, parameters=parameters)


def test_every_length_gives_steps():
    assert plan(Budget(batch_tokens=4096, steps=7)).steps == 7
    assert plan(Budget(batch_tokens=4096, tokens=40_960)).steps == 10
    assert plan(Budget(batch_tokens=4096, epochs=2)).steps == 125
    assert plan(Budget(batch_tokens=4096, tokens_per_parameter=20)).steps == 49


@pytest.mark.parametrize(("devices", "rows_per_device", "accumulate"), [(1, 4, 8), (2, 4, 4), (4, 8, 1), (1, 32, 1)])
def test_accumulation_completes_the_batch(devices, rows_per_device, accumulate):
    found = plan(Budget(batch_tokens=8192, steps=1, rows_per_device=rows_per_device), devices=devices)
    assert found.accumulate == accumulate
    assert found.accumulate * found.devices * found.rows_per_device == found.rows_per_step == 32


def test_auto_takes_the_largest_number_of_rows_that_divides():
    assert plan(Budget(batch_tokens=8192, steps=1)).rows_per_device == 16
    assert plan(Budget(batch_tokens=256 * 34, steps=1)).rows_per_device == 2
    assert plan(Budget(batch_tokens=256 * 6, steps=1), devices=2).rows_per_device == 3


def test_a_batch_that_does_not_divide_is_refused_with_the_nearest_that_does():
    with pytest.raises(ValueError, match=r"batch_tokens=30000 .* 2 devices × 8 rows × 256 tokens: try 28672 or 32768"):
        plan(Budget(batch_tokens=30_000, steps=1, rows_per_device=8), devices=2)
    with pytest.raises(ValueError, match=r"try 256$"):
        plan(Budget(batch_tokens=100, steps=1))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "given: none"),
        ({"tokens": 1, "steps": 1}, "given: budget.tokens=1 and budget.steps=1"),
        ({"steps": 0}, "budget.steps=0"),
        ({"steps": 1, "rows_per_device": 0}, "rows_per_device=0"),
    ],
)
def test_a_budget_without_exactly_one_length_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Budget(batch_tokens=256, **settings)


def test_minutes_are_seconds_of_which_a_pipeline_may_have_used_some():
    assert Budget(batch_tokens=256, minutes=6.5).seconds == 390
    assert Budget(batch_tokens=256, minutes=6.5, remaining=2).seconds == 120
    assert Budget(batch_tokens=256, minutes=6.5, remaining=9).seconds == 390
    assert Budget(batch_tokens=256, steps=3).seconds is None


def test_minutes_are_planned_once_their_tokens_are_fixed():
    budget = Budget(batch_tokens=4096, minutes=10, rows_per_device=2)
    fixed = plan(budget.of_tokens(40_960))
    assert (fixed.steps, fixed.rows_per_device) == (10, 2)
    with pytest.raises(ValueError, match=r"budget\.minutes=10: this job times no steps; set budget=tokens"):
        plan(budget)


def test_a_batch_may_be_given_in_rows():
    for devices, per_device in ((1, 6), (2, 3), (3, 1)):
        budget = Budget(batch_rows=6, steps=5, rows_per_device=per_device)
        plan = budget.plan(row_tokens=10, devices=devices, rows=100, parameters=1)
        same = Budget(batch_tokens=60, steps=5, rows_per_device=per_device)
        assert plan == same.plan(row_tokens=10, devices=devices, rows=100, parameters=1)
        assert (plan.rows_per_step, plan.steps, plan.row_tokens) == (6, 5, 10)
    assert Budget(batch_rows=6, minutes=2.0, remaining=0.5).in_tokens(10).seconds == 30
    assert Budget(batch_rows=6, epochs=2).plan(row_tokens=10, devices=1, rows=30, parameters=1).steps == 10


def test_a_batch_in_rows_that_cannot_be_dealt_out_is_refused():
    with pytest.raises(ValueError, match=r"budget\.batch_rows=6 is not a multiple of 4 devices × 1 rows: try 4 or 8"):
        Budget(batch_rows=6, steps=5).plan(row_tokens=10, devices=4, rows=100, parameters=1)
    for given in ({}, {"batch_rows": 4, "batch_tokens": 40}):
        with pytest.raises(ValueError, match="one of batch_tokens and batch_rows"):
            Budget(steps=5, **given)


@pytest.mark.parametrize("option", ["alignment", "epochs", "prompts", "steps", "tokens"])
def test_each_budget_of_alignment_has_one_length(option):
    config = Composition("align", directory=config_directory()).compose([f"budget={option}"])
    assert isinstance(build(OmegaConf.to_container(config.budget)), Budget)
