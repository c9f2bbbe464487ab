"""Ranks that differ are refused before the first step with the differences, and none waits for another."""

import json
import re
import signal

import pytest
import torch

from lm.callbacks.rank_consistency import _content, rank_differences
from support.settings_ranks import failures, start_ranks
from support.training_runs import instruction, make_corpus, pretraining, run

TWO_RANKS = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


def reported_differences(tmp_path, *configs: dict) -> dict[str, tuple[str, str]]:
    """Start two ranks with a config each and return the differences that both report."""
    files = [tmp_path / f"config-{rank}.json" for rank in range(2)]
    for file, config in zip(files, configs, strict=True):
        file.write_text(json.dumps(config))
    processes = start_ranks([[file] for file in files], tmp_path)
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0], failures(tmp_path)
    errors = [(tmp_path / f"config-{rank}.{rank}.end").read_text() for rank in range(2)]
    assert all(text.startswith("refused: the ranks differ:") for text in errors), errors
    differences = [re.findall(r"^  (\S.*): (.*) on rank 0, (.*) on rank 1$", text, re.MULTILINE) for text in errors]
    assert differences[0] == differences[1]
    return {fact: (here, there) for fact, here, there in differences[0]}


def test_another_corpus_length_and_model_on_one_rank_are_reported(tmp_path):
    corpus, older = make_corpus(tmp_path / "corpus"), make_corpus(tmp_path / "older", count=110)
    config = pretraining(corpus, tmp_path, "run", *TWO_RANKS)
    other = ("budget.steps=13", "model.layers=1")
    facts = reported_differences(tmp_path, config, pretraining(older, tmp_path, "run", *TWO_RANKS, *other))
    assert facts.pop("steps") == ("12", "13")
    assert {*facts} >= {"parameters", "data", "rows of code", "rows of prose", "order of rows", "supervised targets"}


def test_a_checkpoint_that_only_one_rank_has_is_reported(tmp_path):
    """For example because the run directory is not shared; one rank would resume, the other start."""
    corpus = make_corpus(tmp_path / "corpus")
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 20}"
    assert run(pretraining(corpus, tmp_path / "there", "run", killer)) == -signal.SIGKILL
    places = (tmp_path / "here", tmp_path / "there")
    (fact,) = reported_differences(
        tmp_path, *(pretraining(corpus, place, "run", *TWO_RANKS) for place in places)
    ).items()
    assert fact[0] == "checkpoints/last.ckpt"
    assert fact[1][0] == "none" != fact[1][1]


def test_another_pretrained_model_is_reported(tmp_path):
    """With sharding, each rank would start from its own part of another model."""
    corpus = make_corpus(tmp_path / "corpus")
    for seed in (0, 1):
        short = ("budget.steps=1", f"seed={seed}", "validations=0")
        assert run(pretraining(corpus, tmp_path / str(seed), "base", *short)) == 0
    bases = [tmp_path / str(seed) / "pretrain" / "base" for seed in (0, 1)]
    facts = reported_differences(tmp_path, *(instruction(base, tmp_path, "run", *TWO_RANKS) for base in bases))
    assert {*facts} == {"model"}


def test_a_checkpoint_is_identified_by_its_content(tmp_path):
    files = [tmp_path / name / "last.ckpt" for name in ("one", "same", "other")]
    for file, value in zip(files, (1.0, 1.0, 2.0), strict=True):
        file.parent.mkdir()
        torch.save({"weight": torch.tensor(value)}, file)
    one, same, other = map(_content, files)
    assert one == same != other
    assert _content(files[0].parent) == "unknown", "a directory, as of a sharded checkpoint"


def test_equal_ranks_have_no_differences():
    facts = {"steps": "12", "data": "abc"}
    assert rank_differences([facts, dict(facts), dict(facts)]) == []


@pytest.mark.parametrize("rank", [1, 2])
def test_the_rank_that_differs_is_named(rank):
    everyone = [{"steps": "12"} for _ in range(3)]
    everyone[rank] = {"steps": "13"}
    assert rank_differences(everyone) == [f"steps: 12 on rank 0, 13 on rank {rank}"]
    everyone[rank] = {}
    assert rank_differences(everyone) == [f"steps: 12 on rank 0, none on rank {rank}"]


def test_facts_that_only_later_ranks_have_are_reported():
    assert rank_differences([{}, {"steps": "12"}]) == ["steps: none on rank 0, 12 on rank 1"]
