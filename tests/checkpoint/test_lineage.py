"""Weights and the tokenizer that they were trained with stay together."""

import json

import pytest

from lm.checkpoint.lineage import check_reference, check_tokenizer
from lm.tokenizer import train_bpe


@pytest.fixture
def run(tmp_path):
    """A run directory as far as it says which tokenizer its model has."""
    train_bpe(["abc abd abe\n"] * 9, vocab_size=270).save(tmp_path / "tokenizer.json")
    (tmp_path / "model.json").write_text(json.dumps({"_target_": "lm.model.Transformer", "vocab_size": 270}))
    return tmp_path


def test_a_model_and_a_reference_of_another_tokenizer_of_the_same_size_are_refused(run):
    own, other = (train_bpe([text] * 9, vocab_size=270) for text in ("abc abd abe\n", "xyz xyw xyv\n"))
    check_tokenizer(run, own)
    check_reference(run, own, key="evaluations.rewards.reference")
    with pytest.raises(ValueError, match=r"^tokenizer\.path: this is not the tokenizer of model\.path=.*: set "):
        check_tokenizer(run, other)
    with pytest.raises(ValueError, match=r"^evaluations\.rewards\.reference\.path=.*: this run has another tokenizer"):
        check_reference(run, other, key="evaluations.rewards.reference")
    check_reference(None, other, key="fresh weights have none")
