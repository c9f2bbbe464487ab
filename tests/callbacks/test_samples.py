"""Samples are written at every validation, and neither they nor validation change what is learned."""

import re

import pytest
import torch

from support.training_runs import make_corpus, pretraining, run

PROMPTS = ["alpha", "beta g"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same 12 steps with samples, without, and without validation."""
    root = tmp_path_factory.mktemp("runs")
    corpus = make_corpus(root / "corpus")
    sampling = ("callbacks=default", "callbacks.samples.max_tokens=8", f"callbacks.samples.prompts={PROMPTS}")
    assert run(pretraining(corpus, root, "sampled", *sampling)) == 0
    assert run(pretraining(corpus, root, "quiet")) == 0
    assert run(pretraining(corpus, root, "unmeasured", "validations=0")) == 0
    return root / "pretrain"


def weights(directory) -> dict[str, torch.Tensor]:
    return torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.parametrize("other", ["quiet", "unmeasured"])
def test_sampling_and_validation_change_no_later_step(other, runs):
    sampled, without = weights(runs / "sampled"), weights(runs / other)
    assert all(torch.equal(value, without[name]) for name, value in sampled.items())


def test_every_prompt_is_continued_at_every_validation(runs):
    text = (runs / "sampled" / "samples.txt").read_text()
    blocks = re.findall(r"^── step (\d+) ──\n(alpha|beta g)", text, re.MULTILINE)
    assert blocks == [(str(step), prompt) for step in (4, 8, 12) for prompt in PROMPTS]


def test_without_prompts_nothing_is_written(runs):
    assert not (runs / "quiet" / "samples.txt").exists()
