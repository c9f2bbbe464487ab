"""One number in a config sets what stands in other groups, as long as nothing else does."""

import pytest

from lm.config.command import faults_of
from lm.config.ladder import rung
from support.compositions import composition
from support.training_runs import composed


def at(config: dict, key: str):
    for name in key.split("."):
        config = config[name]
    return config


def output(job: str, *overrides: str) -> list[str]:
    found = faults_of(composition(job), list(overrides), multirun=False)
    return [fault for fault in map(str, found) if "model.path" not in fault]


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_the_config_of_a_depth_holds_the_numbers_of_the_rung(depth):
    config = composed("pretrain", "model=ladder", f"model.depth={depth}")
    for key, value in rung(depth, context=256).items():
        assert at(config, key) == value, key
    assert config["budget"] == {
        "_target_": "lm.optimizer.Budget",
        "batch_tokens": config["budget"]["batch_tokens"],
        "tokens_per_parameter": 20,
        "rows_per_device": "auto",
    }


def test_each_of_them_can_be_set_and_the_rest_follows():
    usual = rung(4, context=256)
    config = composed("pretrain", "model=ladder", "optimizer.learning_rate=1e-3")
    assert config["optimizer"]["learning_rate"] == 1e-3
    times = usual["optimizer.learning_rate"] / 1e-3
    assert config["optimizer"]["weight_decay"] == pytest.approx(times * usual["optimizer.weight_decay"], rel=0.01)
    config = composed("pretrain", "model=ladder", "budget.tokens_per_parameter=5", "model.context=512")
    for key, value in rung(4, context=512, tokens_per_parameter=5).items():
        assert at(config, key) == value, key
    config = composed("pretrain", "model=ladder", "model.dim=256")
    assert config["model"]["attention"]["heads"] == 4
    assert config["optimizer"]["learning_rate"] < usual["optimizer.learning_rate"]
    config = composed("pretrain", "model=ladder", "budget=steps", "optimizer=adamw")
    assert (config["budget"]["steps"], config["optimizer"]["learning_rate"]) == (1000, 3e-3)


def test_the_rules_apply_to_any_model_that_has_a_size():
    config = composed("pretrain", "model=small", "optimizer=ladder", "budget=ladder")
    assert 1e-3 < config["optimizer"]["learning_rate"] < 3e-3
    assert config["budget"]["batch_tokens"] % 512 == 0


def test_in_a_pipeline_they_go_by_the_model_beside_them():
    chosen = ["model@pretrain.model=rung", "optimizer@pretrain.optimizer=ladder", "budget@pretrain.budget=ladder"]
    config = composed("pipeline", *chosen, "pretrain.model.depth=3")
    for key, value in rung(3, context=256).items():
        assert at(config["pretrain"], key) == value, key


@pytest.mark.parametrize("depth", ["0", "-3", "2.5", "six", "null", "[1,2]"])
def test_an_invalid_depth_is_reported_once(depth):
    (fault,) = output("pretrain", "model=ladder", f"model.depth={depth}")
    assert fault.startswith("model.depth: expected int, at least 1, got ")


@pytest.mark.parametrize(
    ("job", "overrides", "fault"),
    [
        ("pretrain", ["model=ladder", "model.dim=wide"], "model.dim: expected int, at least 1, got 'wide'"),
        ("pretrain", ["model=ladder", "model.context=0"], "model.context: expected int, at least 1, got 0"),
        (
            "pretrain",
            ["model=ladder", "budget.tokens_per_parameter=-1"],
            "budget.tokens_per_parameter: expected float, more than 0, got -1",
        ),
        (
            "pretrain",
            ["model=ladder", "optimizer.learning_rate=0"],
            "optimizer.learning_rate: expected float, more than 0, got 0",
        ),
        (
            "instruct",
            ["optimizer=ladder", "budget=ladder"],
            "model: has no depth and dim, which optimizer=ladder and budget=ladder need: choose others",
        ),
        (
            "vocabulary",
            ["model=ladder"],
            "model=ladder: model/ladder also chooses an option of optimizer, which is not at the top here: choose "
            "both yourself",
        ),
    ],
)
def test_an_invalid_input_of_a_rule_is_reported_at_its_own_key(job, overrides, fault):
    assert output(job, *overrides) == [fault]
