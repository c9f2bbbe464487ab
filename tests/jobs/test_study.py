"""A study runs its stages for every seed, compares what they measured, and does nothing twice."""

import json
from pathlib import Path

import pytest

from lm.cli.call import call_job
from lm.config.build import build
from lm.config.command import faults_of
from lm.config.outline import config_directory, options
from lm.reward import Answer
from support.compositions import composition
from support.training_runs import composed

NAMES = ("pairs", "words", "home", "abroad", "labels", "prompts", "toxicity")
FILES = [f"++files.{name}=mine.{name}" for name in NAMES]
LESSONS = [name for name in options("experiment", [config_directory()], job="study") if name != "null"]
QUICK = [
    "seeds=[5,6]",
    "corpus@stages.tokenizer.corpus=text",
    "stages.tokenizer.split.share=0",
    "stages.tuned.budget.epochs=1",
    "stages.tuned.model.dim=8",
    "stages.tuned.data.conversations.bits=8",
    "stages.policy.data.conversations.bits=8",
    "stages.before.evaluations.rewards.conversations.bits=8",
    "stages.after.evaluations.rewards.conversations.bits=8",
    "stages.before.evaluations.rewards.max_prompts=2",
    "stages.after.evaluations.rewards.max_prompts=2",
    "stages.policy.budget.steps=2",
    "stages.policy.budget.batch_rows=2",
    "stages.policy.objective.group_size=2",
    "stages.policy.data.validation_rows=2",
    "stages.policy.validations=1",
]


def quick(root: Path, *overrides: str) -> dict:
    text = root / "text.txt"
    text.write_text("0110 = 0")
    return composed(
        "study", "experiment=parity", f"run.root={root}", f"stages.tokenizer.corpus.path={text}", *QUICK, *overrides
    )


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    return root, call_job(quick(root))


def test_every_stage_is_a_run_of_its_own_for_each_seed(studied):
    root, result = studied
    assert result["seeds"] == [5, 6]
    assert (root / "study" / "default" / "tokenizer" / "bytes" / "manifest.json").is_file()  # shared
    for seed in (5, 6):
        below = root / "study" / "default" / f"seed-{seed}"
        manifests = {
            str(path.parent.relative_to(below)): json.loads(path.read_text()) for path in below.rglob("manifest.json")
        }
        assert {*manifests} == {
            "instruct/tuned",
            "evaluate/before",
            "align/policy",
            "evaluate/after",
        }
        assert manifests["instruct/tuned"]["config"]["seed"] == manifests["align/policy"]["config"]["seed"] == seed
        assert manifests["align/policy"]["config"]["model"]["path"] == str(below / "instruct" / "tuned")
        assert {manifest["state"] for manifest in manifests.values()} == {"complete"}


def test_the_table_has_what_the_stages_measured(studied):
    root, result = studied
    below = root / "study" / "default"
    for column, stage in (("tuned", "before"), ("rewarded", "after")):
        measured = [
            json.loads((below / f"seed-{seed}" / "evaluate" / stage / "results.json").read_text())["rewards"]["all"]
            for seed in (5, 6)
        ]
        assert result["metrics"]["pass@1 drawn"][column]["values"] == [each["pass_at"]["1"] for each in measured]
        assert result["metrics"]["tokens of an answer"][column]["values"] == [each["tokens"] for each in measured]
    assert json.loads((below / "results.json").read_text()) == result
    curve = result["curves"]["policy"]["validation/reward/mean"]
    assert {step: len(values) for step, values in curve.items()} == {"2": 2}


def test_a_study_that_is_complete_has_nothing_to_do(studied, capsys):
    root, result = studied
    assert call_job(quick(root)) == result
    printed = capsys.readouterr().out
    assert "nothing to do" in printed
    assert "pass@1 drawn" in printed


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["columns.rewarded=[afterwards]"], "columns.rewarded names afterwards, which is no stage: tokenizer, tuned"),
        (["+expected.rewarded.speed=higher"], "expected.rewarded names speed, which is no metric: pass@1 greedy"),
        (["+expected.tuned.pass=higher"], "expected.tuned: no column after the first is named so: rewarded"),
        (["+curves.nobody=[loss]"], "curves.nobody names nobody, which is no stage"),
        (["seeds=[1,1]"], r"seeds=\[1, 1\]: give different seeds"),
        (["root=here"], "root=here is the same for every seed: add {seed} to it"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(overrides, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        call_job(composed("study", "experiment=parity", f"run.root={tmp_path}", *overrides))
    assert not [*tmp_path.iterdir()]


def test_a_study_without_stages_names_an_experiment():
    with pytest.raises(ValueError, match="choose an experiment, as lm study experiment=parity"):
        call_job(composed("study"))


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_lesson_composes_and_states_what_it_expects(lesson):
    faults = faults_of(composition("study"), [f"experiment={lesson}", *FILES], multirun=False)
    assert [*map(str, faults)] == []
    text = (config_directory() / "experiment" / f"{lesson}.yaml").read_text()
    assert "Expected" in text.split("defaults:")[0]
    assert composition("study").compose([f"experiment={lesson}", *FILES]).expected


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("1101 = 1", 1),
        ("= 1", 1),
        ("=1", 1),
        ("1101 = 0", 0),
        ("", 0),
        ("1", 0),
        ("= 0 = 1", 0),
        ("= 1 = 1", 0),
        ("= 01", 1),  # the number one
        ("= 1 0", 1),  # the number after the mark; what follows is not read
        ("= 11", 0),
        ("= -1", 0),
        ("=", 0),
        ("1" * 10_000, 0),
        ("= " + "1" * 10_000, 0),
        ("= 9**9**9", 0),
        ("one = 1e0", 1),
    ],
)
def test_the_reward_of_parities_knows_right_from_wrong(text, score):
    reward = build(composed("study", "experiment=parity")["stages"]["policy"]["objective"]["reward"])
    for reference in ("1101 = 1", "= 1"):
        assert reward([Answer(text=text, reference=reference)]).total == [score]
