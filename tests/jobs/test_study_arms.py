"""A study of recipes trains each arm at each rate and seed once, goes on after a kill, and reports what it found."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from lm.cli.call import call_job
from lm.config.outline import config_directory, options
from lm.jobs.trials import StageRun
from support.training_runs import composed, make_corpus

ARMS = {"prose": {}, "mixed": {"pretrain": {"data": {"mixture": {"weights": {"code": 1, "prose": 1}}}}}}
CELLS = [f"{arm}/rate-{rate}/seed-{seed}" for seed in (5, 6) for arm in ARMS for rate in ("0.001", "0.01")]


class KilledError(BaseException):
    """Stands for a signal that ends the process."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> dict:
    """The quick study of code, at a size of seconds: 2 arms × 2 rates × 2 seeds, 2 steps each."""
    root = tmp_path_factory.mktemp("impact")
    config = composed("study", "experiment=data_impact/code_share_quick", f"run.root={root}", "run.name=tiny")
    pretrain = config["stages"]["pretrain"]
    pretrain["data"] |= {"path": str(make_corpus(root / "texts", count=40)), "validation_rows": 4}
    pretrain["tokenizer"]["path"] = pretrain["data"]["path"]
    pretrain["model"] |= {"dim": 8, "context": 16, "layers": 1}
    pretrain["budget"] |= {"tokens": 64, "batch_tokens": 32}
    bits = "bits per byte of all text"
    changed = {
        "stages": {"pretrain": pretrain},
        "arms": ARMS,
        "rates": [0.001, 0.01],
        "seeds": [5, 6],
        "metrics": {
            bits: "pretrain.validation/bits_per_byte",
            "code over prose": ["pretrain.validation/bits_per_byte/code", "pretrain.validation/bits_per_byte/prose"],
        },
        "expected": {"mixed": {"code over prose": "lower"}},
    }
    return {**config, **changed}


@pytest.fixture(scope="module")
def studied(plan):
    """The study, killed before its sixth training and started again; and how often each training ran."""
    trained, changes = [], StageRun.changes

    def counted(self, *, restart):
        trained.append(str(self.trial))
        if len(trained) == 6:
            raise KilledError
        return changes(self, restart=restart)

    StageRun.changes = counted
    try:
        with pytest.raises(KilledError):
            call_job(deepcopy(plan))
        before = {path: path.stat().st_mtime_ns for path in below(plan).rglob("*.ckpt")}
        result = call_job(deepcopy(plan))
    finally:
        StageRun.changes = changes
    return result, before


def below(plan: dict) -> Path:
    return Path(plan["run"]["root"], "study", "tiny")


def test_studies_of_data_are_options_of_the_job_alone_and_come_in_two_sizes():
    listed = options("experiment", [config_directory()], job="study")
    data = [name for name in listed if name.startswith("data_impact/")]
    assert {f"{name}_quick" for name in data if not name.endswith("_quick")} == {*data[1::2]}
    assert len(data) == 16
    for others in (options("experiment", [config_directory()], job="pretrain"), options("stage", [config_directory()])):
        assert not [name for name in others if "/" in name]


def test_a_killed_study_goes_on_and_trains_nothing_twice(studied, plan):
    _, before = studied
    assert {path.relative_to(below(plan)).as_posix().partition("/pretrain")[0] for path in before} == {*CELLS[:5]}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    made = {path.parent.relative_to(below(plan)).as_posix() for path in below(plan).rglob("*/manifest.json")}
    assert made == {f"{cell}/pretrain/model" for cell in CELLS}


def test_each_cell_has_its_recipe_rate_and_seed(studied, plan):
    for cell in CELLS:
        config = json.loads((below(plan) / cell / "pretrain/model/manifest.json").read_text())["config"]
        arm, rate, seed = cell.split("/")
        assert config["data"]["mixture"]["weights"]["code"] == (1 if arm == "mixed" else 0)
        assert (f"rate-{config['optimizer']['learning_rate']:g}", f"seed-{config['seed']}") == (rate, seed)


def test_the_result_has_what_every_cell_measured_and_differences_of_two_places(studied, plan):
    result, _ = studied
    for cell in CELLS:
        measured = json.loads((below(plan) / cell / "pretrain/model/manifest.json").read_text())["result"]
        arm, rate, seed = cell.split("/")
        values = {
            name: result["single"][rate.removeprefix("rate-")]["metrics"][name][arm]["values"][int(seed[-1]) - 5]
            for name in plan["metrics"]
        }
        bits = {kind: measured[f"validation/bits_per_byte{kind}"] for kind in ("", "/code", "/prose")}
        assert values == {"bits per byte of all text": bits[""], "code over prose": bits["/code"] - bits["/prose"]}
    means = {
        rate: result["single"][rate]["metrics"]["bits per byte of all text"]["mixed"]["mean"]
        for rate in result["rates"]
    }
    assert result["best_rates"]["mixed"] == min(means, key=means.get)
    assert json.loads((below(plan) / "results.json").read_text()) == result
    assert "than prose by" in (below(plan) / "report.html").read_text()


def test_a_complete_study_has_nothing_to_do_and_shows_the_same(studied, plan, capsys):
    assert call_job(deepcopy(plan)) == studied[0]
    shown = capsys.readouterr().out
    assert "nothing to do" in shown
    assert "best learning rate: prose" in shown


def test_a_study_is_extended_by_an_arm_and_keeps_what_is_there(studied, plan):
    _, before = studied
    more = deepcopy(plan) | {
        "arms": {**ARMS, "code": {"pretrain": {"data": {"mixture": {"weights": {"code": 1, "prose": 0}}}}}}
    }
    with pytest.raises(ValueError, match="exists with another config"):
        call_job(deepcopy(more))
    more["run"]["extend"] = True
    result = call_job(more)
    assert result["arms"] == ["prose", "mixed", "code"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"arms": {"a": {"train": {}}}, "expected": {}}, "arms.a names train, which is no stage: pretrain"),
        (
            {"arms": {"a": {"pretrain": {"modle": 1}}}, "expected": {}},
            "arms.a.pretrain.modle: unknown key of lm.jobs.train",
        ),
        ({"rated": ["x"]}, "rated names x, which is no stage"),
        ({"rates": []}, "rates=.. rated=.'pretrain'.: rates are given to the optimizers of the stages in rated"),
        ({"rates": [1e-3, 0.001]}, "give different rates"),
        ({"best_by": {}}, "name the one metric by which an arm takes its best learning rate"),
        ({"best_by": {"speed": "lower"}}, "best_by names speed, which is no metric"),
        ({"columns": {"x": ["pretrain"]}}, "columns: the columns of a study with arms are the arms"),
        ({"curves": {"pretrain": ["loss"]}}, "curves: the columns of a study with arms"),
        ({"arms": {}, "columns": {"x": ["pretrain"]}, "expected": {}}, "rates is for recipes: name some in arms"),
        ({"expected": {"prose": {}}}, "expected.prose: no arm after the first is named so: mixed"),
        ({"root": "x/{seed}"}, "add {rate} to stages.pretrain.run.root"),
    ],
)
def test_what_does_not_fit_a_study_of_recipes_is_refused_before_anything_runs(changed, words, plan, tmp_path):
    config = deepcopy(plan) | changed
    config["run"]["root"] = str(tmp_path)
    if "root" in changed:
        config["stages"]["pretrain"]["run"]["root"] = changed["root"] + "/{arm}"
    with pytest.raises(ValueError, match=words):
        call_job(config)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("pretrain.validation/bits", "pretrain.validation/bits_per_byte"),
        ("trained.loss", "metrics.bits per byte of all text names trained, which is no stage: pretrain"),
        (["pretrain.seconds"], "give one place, or two, whose difference is taken"),
    ],
)
def test_a_metric_that_no_stage_measured_is_refused_with_what_there_is(place, words, studied, plan):
    config = deepcopy(plan) | {"metrics": {"bits per byte of all text": place}, "expected": {}}
    config["run"]["extend"] = True
    with pytest.raises(ValueError, match=words):
        call_job(config)
