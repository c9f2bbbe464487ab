"""A base model without turn tokens gains them for tuning, and no other tokenizer is taken for its own."""

import json
from pathlib import Path

import pytest

from lm.conversation import Message, RoleTokenTemplate
from lm.model import FreshModel, GrownModel
from lm.tokenizer import load_tokenizer
from lm.training.setup import _with_turn_tokens
from support.published import gpt2_folder, llama_folder


class Trained(FreshModel):
    def __init__(self, origin: Path):
        super().__init__(lambda vocab_size: vocab_size)
        self.origin = origin
        (origin / "model.json").write_text(json.dumps({"_target_": "x", "vocab_size": 1}))


def test_the_embedding_grows_by_the_turn_tokens_and_a_line_says_so(tmp_path, capsys):
    source = Trained(llama_folder(tmp_path))
    base, tuned = load_tokenizer(tmp_path), load_tokenizer(tmp_path, turn_tokens="auto")
    grown = _with_turn_tokens(source, tuned)
    assert isinstance(grown, GrownModel)
    assert (grown.vocab_size, grown.fresh) == (base.vocab_size, [base.vocab_size + n for n in range(4)])
    assert f"{tmp_path} has no turn tokens: added <|system|>, <|user|>, <|assistant|>, <|end_of_turn|>" in (
        capsys.readouterr().out
    )
    assert _with_turn_tokens(source, base) is source
    assert not capsys.readouterr().out


def test_turn_tokens_do_not_pass_a_foreign_tokenizer_off_as_the_models_own(tmp_path):
    source = Trained(llama_folder(tmp_path / "llama"))
    other = load_tokenizer(gpt2_folder(tmp_path / "gpt2"), turn_tokens=True)
    with pytest.raises(ValueError, match="this is not the tokenizer of"):
        _with_turn_tokens(source, other)


def test_role_tokens_open_turns_after_bos_and_without_them_the_template_is_refused(tmp_path):
    folder = llama_folder(tmp_path)
    base, tuned = load_tokenizer(folder), load_tokenizer(folder, turn_tokens=True)
    prompt = RoleTokenTemplate().prompt([Message("user", "the fox")], tuned)
    special = tuned.special_tokens
    assert prompt[:2] == [special["<s>"], special["<|user|>"]]
    assert prompt[-2:] == [special["<|end_of_turn|>"], special["<|assistant|>"]]
    assert RoleTokenTemplate().stop_tokens(tuned) == [special["<|end_of_turn|>"], special["</s>"]]
    with pytest.raises(ValueError, match=r"has no <\|user\|>.*tokenizer.turn_tokens=true"):
        RoleTokenTemplate().prompt([Message("user", "the fox")], base)
