"""Ranks that would not do the same are refused before the first step, in words, and none waits for another."""

import json
import re
import signal

import pytest
import torch

from lm.callbacks.rank_consistency import _content, disagreements
from support.settings_ranks import failures, start_ranks
from support.training_runs import instruction, make_corpus, pretraining, run

TWO_RANKS = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


def told_apart(tmp_path, *configs: dict) -> dict[str, tuple[str, str]]:
    """What two ranks with a config each say that they differ in; both say the same."""
    files = [tmp_path / f"config-{rank}.json" for rank in range(2)]
    for file, config in zip(files, configs, strict=True):
        file.write_text(json.dumps(config))
    processes = start_ranks([[file] for file in files], tmp_path)
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0], failures(tmp_path)
    said = [(tmp_path / f"config-{rank}.{rank}.end").read_text() for rank in range(2)]
    assert all(words.startswith("refused: the ranks would not do the same:") for words in said), said
    found = [re.findall(r"^  (\S.*): (.*) on rank 0, (.*) on rank 1$", words, re.MULTILINE) for words in said]
    assert found[0] == found[1]
    return {fact: (here, there) for fact, here, there in found[0]}


def test_another_corpus_length_and_model_on_one_rank_are_told(tmp_path):
    corpus, older = make_corpus(tmp_path / "corpus"), make_corpus(tmp_path / "older", count=110)
    config = pretraining(corpus, tmp_path, "run", *TWO_RANKS)
    other = ("budget.steps=13", "model.layers=1")
    facts = told_apart(tmp_path, config, pretraining(older, tmp_path, "run", *TWO_RANKS, *other))
    assert facts.pop("steps") == ("12", "13")
    assert {*facts} >= {"parameters", "data", "rows of code", "rows of prose", "order of rows", "supervised targets"}


def test_a_checkpoint_that_only_one_rank_has_is_told(tmp_path):
    """As where the run directory is not shared; one would go on from there, and the other begin."""
    corpus = make_corpus(tmp_path / "corpus")
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 20}"
    assert run(pretraining(corpus, tmp_path / "there", "run", killer)) == -signal.SIGKILL
    places = (tmp_path / "here", tmp_path / "there")
    (fact,) = told_apart(tmp_path, *(pretraining(corpus, place, "run", *TWO_RANKS) for place in places)).items()
    assert fact[0] == "checkpoints/last.ckpt"
    assert fact[1][0] == "none" != fact[1][1]


def test_another_model_to_start_from_is_told(tmp_path):
    """Sharded, each rank would begin with its own part of another model."""
    corpus = make_corpus(tmp_path / "corpus")
    for seed in (0, 1):
        short = ("budget.steps=1", f"seed={seed}", "validations=0")
        assert run(pretraining(corpus, tmp_path / str(seed), "base", *short)) == 0
    bases = [tmp_path / str(seed) / "pretrain" / "base" for seed in (0, 1)]
    facts = told_apart(tmp_path, *(instruction(base, tmp_path, "run", *TWO_RANKS) for base in bases))
    assert {*facts} == {"model"}


def test_a_checkpoint_is_known_by_what_is_in_it(tmp_path):
    files = [tmp_path / name / "last.ckpt" for name in ("one", "same", "other")]
    for file, value in zip(files, (1.0, 1.0, 2.0), strict=True):
        file.parent.mkdir()
        torch.save({"weight": torch.tensor(value)}, file)
    one, same, other = map(_content, files)
    assert one == same != other
    assert _content(files[0].parent) == "unknown", "of several files, as sharded ones"


def test_ranks_that_agree_are_not_told_anything():
    facts = {"steps": "12", "data": "abc"}
    assert disagreements([facts, dict(facts), dict(facts)]) == []


@pytest.mark.parametrize("rank", [1, 2])
def test_the_rank_that_differs_is_named(rank):
    everyone = [{"steps": "12"} for _ in range(3)]
    everyone[rank] = {"steps": "13"}
    assert disagreements(everyone) == [f"steps: 12 on rank 0, 13 on rank {rank}"]
    everyone[rank] = {}
    assert disagreements(everyone) == [f"steps: 12 on rank 0, none on rank {rank}"]


def test_what_only_later_ranks_have_is_told():
    assert disagreements([{}, {"steps": "12"}]) == ["steps: none on rank 0, 12 on rank 1"]
