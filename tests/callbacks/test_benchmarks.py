"""Benchmarks at each validation are those of `lm evaluate`, and change no step of training."""

import csv
import json

import pytest
import torch

from lm.callbacks.benchmarks import main_values
from lm.config.build import build
from lm.interchange import load_model
from lm.tokenizer import load_tokenizer
from support.training_runs import composed, make_corpus, pretraining, run

EVALUATIONS = "+evaluation@callbacks.benchmarks.evaluations=[choice,copying]"
KEY = "callbacks.benchmarks.evaluations"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    corpus = make_corpus(root / "corpus")
    rows = [{"query": f"alpha {n}", "choices": ["beta", "gamma"], "gold": n % 2} for n in range(8)]
    (root / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = (EVALUATIONS, f"{KEY}.choice.path={root / 'items.jsonl'}", f"{KEY}.choice.main=gold_bits")
    given += (f"{KEY}.copying.lengths=[4]", f"{KEY}.copying.sequences=4", "callbacks.samples.prompts=[]")
    assert run(pretraining(corpus, root, "measured", "callbacks=benchmarks", *given)) == 0
    assert run(pretraining(corpus, root, "quiet")) == 0
    return root


def test_each_validation_has_a_row_by_tokens(root):
    with open(root / "pretrain" / "measured" / "metrics.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("evaluation/choice")]
    assert [int(row["step"]) for row in rows] == [4, 8, 12]
    tokens = [float(row["train/tokens"]) for row in rows]
    assert tokens == [tokens[0] * n for n in (1, 2, 3)]
    assert all(float(row["evaluation/copying/4/gain"]) for row in rows)


def test_the_last_row_is_what_lm_evaluate_measures(root):
    directory = root / "pretrain" / "measured"
    words = ("evaluation@evaluations=choice", f"evaluations.choice.path={root / 'items.jsonl'}")
    task = build(composed("evaluate", f"model.path={directory}", *words)["evaluations"]["choice"])
    found = task(load_model(str(directory), which="last"), load_tokenizer(str(directory)))
    with open(directory / "metrics.csv", newline="") as file:
        last = [row for row in csv.DictReader(file) if row.get("evaluation/choice")][-1]
    assert float(last["evaluation/choice"]) == pytest.approx(found["metrics"]["gold_bits"]["value"], rel=1e-5)


def test_training_is_the_same_without_them(root):
    one, two = (
        torch.load(root / "pretrain" / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("measured", "quiet")
    )
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_the_main_metric_and_the_numbers_of_other_evaluations():
    task = {"main": "m", "metrics": {"m": {"value": 0.5}, "n": {"value": 1.0}}, "groups": {}}
    assert main_values("blimp", task) == {"blimp": 0.5}
    assert main_values("bits", {"prose": {"model": 1.5, "xz": 2.0}}) == {"bits/prose/model": 1.5}
