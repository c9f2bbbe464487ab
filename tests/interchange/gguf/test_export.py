"""What a GGUF file cannot hold is refused before weights are read; the models of conf find their architecture."""

from functools import partial

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from lm.config.build import build
from lm.interchange import Published
from lm.interchange.gguf import GGUF
from lm.interchange.gguf.architecture import architecture_of
from lm.interchange.gguf.facts import facts_of
from lm.model import GELU, Attention, ReLUSquared, SwiGLU, Transformer
from lm.tokenizer import Tokenizer, byte_tokenizer, train_unigram
from support.compositions import composition

pytest.importorskip("gguf", reason="needs the package gguf: pip install 'lightning-lm[gguf]'")


def published(*, tokenizer: Tokenizer | None = None, readable: bool = False, **parts) -> Published:
    tokenizer = tokenizer or byte_tokenizer([])
    given = {"attention": partial(Attention, heads=4), "feedforward": partial(SwiGLU, hidden=32)} | parts
    model = Transformer(vocab_size=tokenizer.vocab_size, dim=32, layers=1, **({"context": 32} | given))

    def read() -> Transformer:
        assert readable, "the weights are read"
        return model

    return Published(
        outline=model,
        build=read,
        description={},
        unmerged=read,
        tokenizer=tokenizer,
        ends=tokenizer.ends,
        opens=True,
        chat_template=lambda: None,
        files=dict,
    )


UNFIT = {
    "a norm": {"norm": nn.LayerNorm, "feedforward": ReLUSquared},
    "a tokenizer": {"tokenizer": train_unigram(["a few words of text"], vocab_size=262)},
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_the_file_cannot_hold_is_refused_before_weights_are_read(what, tmp_path):
    with pytest.raises(ValueError, match=r"format=gguf: .*export it with format=huggingface"):
        GGUF().write(tmp_path, published(**UNFIT[what]))
    assert not [*tmp_path.iterdir()]


def test_an_exact_gelu_is_said_to_be_computed_by_a_tanh(tmp_path):
    exact = {"norm": nn.LayerNorm, "feedforward": partial(GELU, hidden=32), "readable": True}
    files, notes = GGUF(kind="f32").write(tmp_path, published(**exact))
    assert files == [tmp_path / "model.gguf"]
    assert "llama.cpp computes GELU by a tanh, this model exactly: logits differ in the third digit" in notes
    assert not any("tanh" in note for note in GGUF().write(tmp_path, published(readable=True))[1])


def test_a_template_without_a_beginning_is_said_to_leave_it_out_everywhere(tmp_path):
    chat = Published(**{**vars(published(readable=True)), "opens": False})
    assert (
        "prompts do not begin with <|end_of_document|>, as the template does not; texts that llama.cpp continues "
        "without the template lack it, too"
    ) in GGUF().write(tmp_path, chat)[1]


def of_conf(option: str) -> Transformer:
    config = composition("pretrain").compose([f"model={option}"])
    factory = build(OmegaConf.to_container(config.model, resolve=True))
    with torch.device("meta"):
        return factory(vocab_size=300)


@pytest.mark.parametrize(("option", "name"), [("tiny", "llama"), ("gpt_neox", "gptneox"), ("gemma3", "gemma3")])
def test_a_model_of_conf_finds_its_architecture(option, name):
    assert architecture_of(facts_of(of_conf(option))).name == name


def test_a_window_that_llama_cpp_lacks_is_refused_with_the_context_that_needs_none(tmp_path):
    windowed = {"attention": partial(Attention, heads=4, window=16)}
    with pytest.raises(ValueError, match=r"no model.attention.window=a number: .*, or with model.context=16, up to"):
        GGUF().write(tmp_path, published(**windowed))
    GGUF().write(tmp_path, published(**windowed, context=16, readable=True))
