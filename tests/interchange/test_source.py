"""A folder is read as what its config.json says, and refused in words where its files do not fit that."""

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch._subclasses.fake_tensor import FakeTensorMode

from lm.interchange import HuggingFaceModel
from lm.interchange.huggingface import HuggingFace
from lm.model import lora, nf4
from support.small_models import change, publish, small_model

EMBEDDING = "model.embed_tokens.weight"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    return shutil.copytree(folder, tmp_path / "model")


def change_weights(folder: Path, edit: Callable[[dict], None]) -> None:
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors")


def logits(folder: Path, **options) -> torch.Tensor:
    model = HuggingFaceModel(str(folder), **options).build()
    with torch.no_grad():
        return model(torch.arange(20)[None])


FIELDS = {  # what a stranger's config.json may say → what the error names
    "an unknown architecture": ({"architectures": ["BartModel"], "model_type": "bart"}, "BartModel; known are Llama"),
    "two families": ({"model_type": "mistral"}, "architectures LlamaForCausalLM and model_type mistral are of two"),
    "no architecture": ({"architectures": ..., "model_type": ...}, "names no architecture"),
    "an unknown field": ({"alibi": True}, "fields that are not known of llama: alibi=True"),
    "a quantised model": ({"quantization_config": {"bits": 4}}, "quantization_config={'bits': 4}"),
    "another activation": ({"hidden_act": "relu"}, "hidden_act='relu'"),
    "two thetas": (
        {"rope_theta": 5000.0},
        "contradicts itself: rope_parameters.rope_theta=10000.0 and rope_theta=5000.0",
    ),
    "two kinds of rope": (
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        "contradicts itself: rope_parameters.rope",
    ),
    "an unknown rope": (
        {"rope_parameters": {"rope_type": "spiral"}},
        "rotary positions of the type 'spiral'; known are",
    ),
    "a missing size": ({"hidden_size": ...}, "has no hidden_size"),
    "heads that do not fit": ({"num_attention_heads": 3, "head_dim": ...}, "attention.heads 3 is not a multiple of"),
}


@pytest.mark.parametrize("what", FIELDS)
def test_a_config_that_is_not_known_is_refused_before_a_weight_is_read(what, copy):
    fields, message = FIELDS[what]
    change(copy, **fields)
    (copy / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=re.escape(message)):
        HuggingFaceModel(str(copy)).outline()


@pytest.mark.parametrize("field", ["bos_token_id", "torch_dtype", "transformers_version", "use_cache"])
def test_a_field_that_changes_nothing_may_have_any_value(field, copy):
    change(copy, **{field: "5.0"})
    HuggingFaceModel(str(copy)).build()


def drop(name: str) -> Callable[[dict], None]:
    return lambda weights: weights.pop(name)


FILES = {  # what may happen to weights → what the error names
    "a missing tensor": (drop("model.norm.weight"), "has no tensor model.norm.weight, which LlamaForCausalLM needs"),
    "an unknown tensor": (
        lambda weights: weights.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(16)}),
        "has the tensor model.layers.0.self_attn.q_proj.bias, which LlamaForCausalLM with this config.json does not",
    ),
    "another shape": (
        lambda weights: weights.update({"model.norm.weight": torch.ones(17)}),
        "the tensor model.norm.weight has the shape [17], but config.json describes norm.weight [16]",
    ),
    "another head": (
        lambda weights: weights.update({"lm_head.weight": weights[EMBEDDING] + 1}),
        f"tie_word_embeddings=true, but lm_head.weight is not {EMBEDDING}",
    ),
    "codes": (
        lambda weights: weights.update({EMBEDDING: weights[EMBEDDING].to(torch.int8)}),
        f"has {EMBEDDING} in the type I8, as quantised models do",
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_weights_that_do_not_fit_are_refused_by_the_name_of_the_tensor(what, copy):
    edit, message = FILES[what]
    change_weights(copy, edit)
    with pytest.raises(ValueError, match=re.escape(message)):
        HuggingFaceModel(str(copy)).build()


def test_a_tied_head_may_be_stored_and_buffers_are_ignored(folder, copy):
    def add(weights: dict) -> None:
        weights["lm_head.weight"] = weights[EMBEDDING].clone()
        weights["model.layers.1.self_attn.rotary_emb.inv_freq"] = torch.ones(2)

    change_weights(copy, add)
    assert torch.equal(logits(copy), logits(folder))


def test_either_spelling_of_rotary_positions_is_read(folder, copy):
    expected = logits(folder)
    for fields in ({"rope_parameters": ...}, {"rope_theta": ..., "rope_scaling": ...}):
        shutil.copy(folder / "config.json", copy)
        change(copy, **fields)
        assert torch.equal(logits(copy), expected)
    change(copy, rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    assert not torch.allclose(logits(copy), expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_type_is_kept_or_cast(dtype, folder, tmp_path):
    half = publish(tmp_path / "half", format=HuggingFace(dtype=dtype))
    kept, cast = (HuggingFaceModel(str(half), dtype=each).build() for each in (None, "float32"))
    assert {str(weight.dtype) for weight in kept.parameters()} == {f"torch.{dtype}"}
    assert {str(weight.dtype) for weight in cast.parameters()} == {"torch.float32"}
    for name, weight in cast.named_parameters():
        assert torch.equal(weight, kept.get_parameter(name).float())
    assert torch.allclose(logits(half, dtype="float32"), logits(folder), atol=0.1)


def test_files_of_several_types_become_a_model_of_one(copy):
    change_weights(copy, lambda weights: weights.update({EMBEDDING: weights[EMBEDDING].bfloat16()}))
    assert {weight.dtype for weight in HuggingFaceModel(str(copy)).build().parameters()} == {torch.bfloat16}


def test_a_model_is_changed_for_training_as_that_of_a_run(folder):
    model = HuggingFaceModel(
        str(folder), adapter=partial(lora, rank=2, alpha=4, targets=["*query"]), freeze=["embedding"], context=32
    ).build()
    assert model.context == 32
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {f"blocks.{n}.attention.query.change.{part}" for n in (0, 1) for part in ("down", "up")}
    with pytest.raises(ValueError, match="put an adapter beside them"):
        HuggingFaceModel(str(folder), quantise=nf4).build()


def test_another_vocabulary_is_refused(folder):
    with pytest.raises(ValueError, match=rf"the tokenizer 7: set tokenizer.path={re.escape(str(folder))}"):
        HuggingFaceModel(str(folder)).build(vocab_size=7)


def test_the_fingerprint_changes_with_config_and_weights(folder, copy):
    before = HuggingFaceModel(str(folder)).fingerprint()
    assert HuggingFaceModel(str(copy)).fingerprint() == before
    change(copy, bos_token_id=3)
    changed = HuggingFaceModel(str(copy)).fingerprint()
    assert changed != before
    change_weights(copy, lambda weights: weights[EMBEDDING].add_(1))
    assert HuggingFaceModel(str(copy)).fingerprint() not in (before, changed)


def test_a_model_is_described_without_reading_its_weights(folder, copy):
    (copy / "model.safetensors").unlink()
    source = HuggingFaceModel(str(copy))
    described = json.loads(json.dumps(source.describe(vocab_size=source.node["vocab_size"])))
    assert described["_target_"] == "lm.model.Transformer"
    expected = {name: weight.shape for name, weight in small_model().state_dict().items()}
    with torch.device("meta"):
        assert {name: weight.shape for name, weight in source.outline().state_dict().items()} == expected


def test_a_dry_run_computes_with_its_outline(folder):
    tokens = torch.arange(20)[None]
    assert HuggingFaceModel(str(folder)).outline()(tokens).shape == logits(folder).shape, "timed with numbers"
    with FakeTensorMode():
        outline = HuggingFaceModel(str(folder)).outline()
        assert outline(torch.zeros(1, 20, dtype=torch.int64)).shape == (1, 20, outline.vocab_size)
