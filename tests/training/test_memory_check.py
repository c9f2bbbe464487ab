"""What cannot fit into memory is refused before it is built, with the sizes and what to set."""

import re

import pytest

from lm.cli.call import call_job
from support.training_runs import make_corpus, pretraining


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def free(monkeypatch):
    """Set the memory that is free, and let nothing be built."""

    def build(*arguments, **options):
        raise AssertionError("built")

    def set_free(size: float) -> None:
        monkeypatch.setattr("lm.training.memory_check.available_memory", lambda: size)
        monkeypatch.setattr("lm.model.FreshModel.build", build)

    return set_free


HUGE = ("model.dim=8192", "model.layers=16", "model.attention.heads=64", "model.attention.key_value_heads=64")


def test_a_model_that_cannot_fit_is_refused_before_it_is_built(corpus, tmp_path, free):
    free(16e9)
    expected = (
        r"takes \d+ GB of memory, and 16\.0 GB are free: [\d.]+ GB of weights, .* of logits; choose a smaller model"
    )
    with pytest.raises(ValueError, match=expected):
        call_job(pretraining(corpus, tmp_path, "run", *HUGE))
    assert not (tmp_path / "pretrain").exists()


def test_a_gigantic_micro_batch_is_refused_with_the_rows_that_fit(corpus, tmp_path, free):
    free(1e9)
    batch = ("budget.batch_tokens=33554432", "budget.rows_per_device=1048576")
    with pytest.raises(ValueError, match=r"GB of activations.*; set budget\.rows_per_device=\d+; the same") as raised:
        call_job(pretraining(corpus, tmp_path, "run", *batch))
    rows = re.search(r"rows_per_device=(\d+)", str(raised.value))[0]
    with pytest.raises(AssertionError, match="built"):
        call_job(pretraining(corpus, tmp_path, "run", batch[0], f"budget.{rows}"))


@pytest.mark.parametrize("size", [50e6, None])
def test_what_fits_is_built_and_unknown_memory_refuses_nothing(size, corpus, tmp_path, free):
    free(size)
    with pytest.raises(AssertionError, match="built"):
        call_job(pretraining(corpus, tmp_path, "run", *(() if size else HUGE)))
