"""An exported folder opens in transformers without a warning, and is the model that was trained."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lm.generation import Generator, Sampling
from lm.interchange import HuggingFace, HuggingFaceModel, Safetensors
from lm.model import Attention, GeGLU, ReLUSquared, Rotary, YarnScaling
from lm.tokenizer import load_tokenizer
from support.small_models import publish, small_model

transformers = pytest.importorskip("transformers")


@contextmanager
def without_warning() -> Iterator[None]:
    """Fail if transformers warns, by its logger or by Python's warnings."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        logger.removeHandler(handler)
    assert said == []


MODELS: dict[str, tuple[str, dict[str, Any]]] = {  # parts of ours → the architecture that computes the same
    "the default": ("LlamaForCausalLM", {}),
    "an untied head": ("LlamaForCausalLM", {"tie_embeddings": False}),
    "a window": ("MistralForCausalLM", {"attention": partial(Attention, heads=4, window=9)}),
    "normed heads": (
        "Qwen3ForCausalLM",
        {"attention": partial(Attention, heads=4, query_key_norm=partial(nn.RMSNorm, eps=1e-6))},
    ),
    "biases of the inputs": (
        "Qwen2ForCausalLM",
        {"attention": partial(Attention, heads=4, bias=True, output_bias=False)},
    ),
    "a longer context": (
        "LlamaForCausalLM",
        {"position": partial(Rotary, theta=5e5, scaling=partial(YarnScaling, factor=4.0, original_context=16))},
    ),
}


@pytest.mark.parametrize("what", MODELS)
def test_transformers_opens_a_model_of_ours_and_computes_the_same(what, tmp_path):
    architecture, parts = MODELS[what]
    model = small_model(**parts)
    folder = publish(tmp_path / "model", model)
    with without_warning():
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(theirs).__name__ == architecture
    own = load_tokenizer(folder)
    prompt = [*own.opening, *own.encode("Once upon a time, été 日本\n")]
    assert tokenizer("Once upon a time, été 日本\n").input_ids == prompt
    with torch.no_grad():
        torch.testing.assert_close(
            theirs(torch.tensor([prompt])).logits, model(torch.tensor([prompt])), atol=1e-5, rtol=0
        )
    (ours,) = Generator(model, own).generate([prompt], sampling=Sampling(temperature=0), max_tokens=12)
    found = theirs.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)[0, len(prompt) :]
    assert found.tolist() == ours.tokens


@pytest.mark.parametrize("what", MODELS)
def test_what_is_written_is_read_again_bit_for_bit(what, tmp_path):
    model = small_model(**MODELS[what][1])
    again = HuggingFaceModel(str(publish(tmp_path / "model", model))).build()
    assert again.context == model.context
    expected = model.state_dict()
    for name, weight in again.state_dict().items():
        assert torch.equal(weight, expected.pop(name))
    assert not expected
    tokens = torch.arange(30)[None]
    with torch.no_grad():
        assert torch.equal(again(tokens), model(tokens))


def test_both_spellings_of_rotary_positions_are_written(tmp_path):
    model = small_model(**MODELS["a longer context"][1])
    config = json.loads((publish(tmp_path / "model", model) / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 500_000
    assert config["rope_scaling"]["rope_type"] == config["rope_parameters"]["rope_type"] == "yarn"
    assert config["rope_scaling"]["factor"] == config["rope_parameters"]["factor"] == 4


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_are_written_in_a_type(dtype, tmp_path):
    folder = publish(tmp_path / "model", format=HuggingFace(dtype=dtype))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert str(theirs.dtype) == f"torch.{dtype}"
    assert {str(weight.dtype) for weight in load_file(folder / "model.safetensors").values()} == {f"torch.{dtype}"}


def test_what_float16_cannot_hold_is_refused(tmp_path):
    model = small_model()
    model.norm.weight.data[0] = 70_000
    with pytest.raises(ValueError, match=r"float16 cannot hold model\.norm\.weight, which exceeds 65504: set bfloat16"):
        publish(tmp_path, model, format=HuggingFace(dtype="float16"))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"feedforward": partial(ReLUSquared, hidden=24)}, "LlamaForCausalLM: "),
        ({"feedforward": partial(GeGLU, hidden=24)}, "feedforward is GeGLU, there SwiGLU"),
        ({"attention": partial(Attention, heads=4, cap=20.0)}, "cap is 20.0, there absent"),
    ],
)
def test_what_no_architecture_computes_is_refused_by_the_part(parts, message, tmp_path):
    with pytest.raises(ValueError, match="no architecture of transformers computes what this model does") as error:
        publish(tmp_path, small_model(**parts))
    assert message in str(error.value)
    assert not [*tmp_path.iterdir()]


def test_a_model_in_several_files_opens_in_transformers(tmp_path):
    folder = publish(tmp_path / "model", format=HuggingFace(shard=9000))
    with without_warning():
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens).logits, small_model()(tokens), atol=1e-5, rtol=0)


def test_safetensors_hold_any_model_by_our_names(tmp_path):
    model = small_model(feedforward=partial(ReLUSquared, hidden=24))
    folder: Path = publish(tmp_path, model, format=Safetensors())
    weights = load_file(folder / "model.safetensors")
    expected = model.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in weights.items())
    assert load_tokenizer(folder).vocab_size == model.vocab_size
