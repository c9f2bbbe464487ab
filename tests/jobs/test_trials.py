"""A study with arms runs each stage once for what its directory names, and says what does not fit before it starts."""

import pytest

from lm.jobs.trials import Trial, Trials, merged

HERE = "out/{arm}/rate-{rate}/seed-{seed}"


def job(name: str, root: str, **parts) -> dict:
    return {"_target_": "lm.jobs.train.train", "run": {"root": root, "job": name, "name": "x"}, **parts}


def trials(**changed) -> Trials:
    stages = {
        "text": job("corpus", "out"),
        "cut": job("cut", "out/{arm}", size=1),
        "model": job("pretrain", HERE, seed=0, optimizer={"learning_rate": 1.0, "betas": [1]}, of=["{arm}/{seed}"]),
    }
    given = {"seeds": [1, 2], "arms": {"a": {}, "b": {"cut": {"size": 2}}}, "rates": [0.1, 2e-5], "rated": ["model"]}
    return Trials({**stages, **changed.pop("stages", {})}, **{**given, **changed})


def test_every_run_stands_once_after_those_it_reads_seed_by_seed():
    runs = trials().runs()
    assert [(run.stage, str(run.trial)) for run in runs] == [
        ("text", "a, rate 0.1, seed 1"),
        ("cut", "a, rate 0.1, seed 1"),
        ("model", "a, rate 0.1, seed 1"),
        ("model", "a, rate 2e-05, seed 1"),
        ("cut", "b, rate 0.1, seed 1"),
        ("model", "b, rate 0.1, seed 1"),
        ("model", "b, rate 2e-05, seed 1"),
        ("model", "a, rate 0.1, seed 2"),
        ("model", "a, rate 2e-05, seed 2"),
        ("model", "b, rate 0.1, seed 2"),
        ("model", "b, rate 2e-05, seed 2"),
    ]
    assert [run.node["size"] for run in runs if run.stage == "cut"] == [1, 2]


def test_a_trial_sets_recipe_rate_and_seed_where_the_stage_has_them():
    given = trials()
    node = given.node("model", Trial(2, "b", 2e-5))
    assert node["seed"] == 2
    assert node["optimizer"] == {"learning_rate": 2e-5, "betas": [1]}
    assert node["of"] == ["b/2"]
    assert str(given.directory("model", Trial(2, "b", 2e-5))) == "out/b/rate-2e-05/seed-2/pretrain/x"
    assert given.stages["model"]["optimizer"]["learning_rate"] == 1.0  # the config is not changed


def test_a_stage_that_all_seeds_share_keeps_its_own_seed():
    shared = trials(stages={"model": job("pretrain", "out", seed=7)}, rates=[], rated=[])
    assert shared.node("model", Trial(2, "a"))["seed"] == 7
    assert [run.stage for run in shared.runs()] == ["text", "cut", "model", "cut"]


def test_changes_join_mappings_and_replace_anything_else():
    node = {"a": {"_target_": "x", "n": 1, "deep": {"m": [1, 2]}}}
    assert merged(node, {"a": {"deep": {"m": [3]}, "new": 2}}) == {
        "a": {"_target_": "x", "n": 1, "deep": {"m": [3]}, "new": 2}
    }
    assert merged(node, {"a": {"_target_": "y"}}) == {"a": {"_target_": "y"}}  # another part has other keys
    assert merged(node, {"a": None}) == {"a": None}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"stages": {"cut": job("cut", "out", size=1)}}, "add {arm} to stages.cut.run.root"),
        (
            {"stages": {"model": job("pretrain", "out/{arm}/{seed}", optimizer={})}},
            "stages.model differs between a, rate 0.1, seed 1 and a, rate 2e-05, seed 1",
        ),
        ({"stages": {"again": job("pretrain", HERE)}}, "stages.model and stages.again have one directory"),
    ],
)
def test_runs_that_would_share_a_directory_are_refused_with_what_to_add(changed, words):
    with pytest.raises(ValueError, match=words):
        trials(**changed).runs()
