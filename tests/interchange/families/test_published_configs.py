"""What config.json files of published models say that those of transformers' newest version do not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lm.interchange.config_file import read_config
from lm.interchange.huggingface import write_model
from lm.interchange.source import HuggingFaceModel
from lm.model import GELU, Attention, LearnedPositions, Transformer

SIZES = {
    "vocab_size": 32,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}
SLIDING, FULL = "sliding_attention", "full_attention"


def node_of(folder: Path, architecture: str, model_type: str, **fields: Any) -> dict:
    config = {"architectures": [architecture], "model_type": model_type, **SIZES, **fields}
    (folder / "config.json").write_text(json.dumps(config))
    return read_config(folder)[1]


def test_gemma_3_of_older_files_has_two_thetas_and_five_local_layers(tmp_path):
    node = node_of(
        tmp_path,
        "Gemma3ForCausalLM",
        "gemma3_text",
        head_dim=4,
        rope_theta=1_000_000,
        rope_local_base_freq=10_000,
        rope_scaling={"factor": 8.0, "rope_type": "linear"},
        sliding_window=16,
        sliding_window_pattern=6,
        attn_logit_softcapping=None,
        cache_implementation="hybrid",
        query_pre_attn_scalar=4,
    )
    assert [part.get("window") for part in node["attention"]] == [16] * 5 + [None]
    assert [part["theta"] for part in node["position"]] == [10_000.0] * 5 + [1_000_000.0]
    assert [part.get("scaling", {}).get("factor") for part in node["position"]] == [None] * 5 + [8.0]


def test_gemma_2_of_older_files_has_a_window_in_every_other_layer(tmp_path):
    node = node_of(
        tmp_path,
        "Gemma2ForCausalLM",
        "gemma2",
        hidden_act="gelu_pytorch_tanh",
        hidden_activation="gelu_pytorch_tanh",
        head_dim=4,
        query_pre_attn_scalar=9,
        sliding_window=16,
        sliding_window_size=16,
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
    )
    assert [part.get("window") for part in node["attention"]] == [16, None]
    assert {part["cap"] for part in node["attention"]} == {50.0}
    assert node["attention"][0]["scale"] == pytest.approx(1 / 3)
    assert node["logit_cap"] == 30.0


def test_one_in_no_rope_layers_of_smollm3_is_a_layer_with_positions(tmp_path):
    node = node_of(tmp_path, "SmolLM3ForCausalLM", "smollm3", no_rope_layers=[1, 1, 0, 1, 1, 0])
    assert [position is not None for position in node["position"]] == [True, True, False]
    usual = node_of(tmp_path, "SmolLM3ForCausalLM", "smollm3", no_rope_layer_interval=2)
    assert [position is not None for position in usual["position"]] == [True, False]


def test_pythia_of_older_files_rotates_a_quarter(tmp_path):
    fields = {"rotary_pct": 0.25, "rotary_emb_base": 10_000, "hidden_act": "gelu", "use_parallel_residual": True}
    node = node_of(tmp_path, "GPTNeoXForCausalLM", "gpt_neox", hidden_size=16, **fields)
    assert (node["position"]["fraction"], node["position"]["theta"]) == (0.25, 10_000.0)
    assert node["block"]["_target_"] == "lm.model.ParallelBlock"
    with pytest.raises(ValueError, match=r"contradicts itself: rotary_pct=0.25 and partial_rotary_factor=0.5"):
        node_of(
            tmp_path,
            "GPTNeoXForCausalLM",
            "gpt_neox",
            **fields,
            rope_parameters={"rope_theta": 1e4, "rope_type": "default", "partial_rotary_factor": 0.5},
        )


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (("GPT2LMHeadModel", "gpt2"), {"n_embd": 8, "scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx=True"),
        (("Gemma2ForCausalLM", "gemma2"), {"hidden_activation": "relu"}, "hidden_activation='relu'"),
        (("Gemma2ForCausalLM", "gemma2"), {"layer_types": [SLIDING]}, r"layer_types=.* are not 6 of sliding_attention"),
        (("SmolLM3ForCausalLM", "smollm3"), {"no_rope_layers": [1]}, "no_rope_layers of 1 layers"),
        (("Phi3ForCausalLM", "phi3"), {"attention_bias": True}, "attention_bias=True"),
        (("Gemma3ForCausalLM", "gemma3_text"), {"use_bidirectional_attention": True}, "bidirectional_attention=True"),
    ],
)
def test_what_a_family_does_not_have_is_refused_by_its_field(tmp_path, kind, fields, message):
    with pytest.raises(ValueError, match=message):
        node_of(tmp_path, *kind, **fields)


def test_the_first_gpt_2_whose_names_lack_the_base_and_whose_masks_are_stored_is_read(tmp_path):
    torch.manual_seed(0)
    model = Transformer(
        vocab_size=20,
        context=8,
        dim=8,
        layers=1,
        attention=lambda dim: Attention(dim, heads=2, bias=True),
        feedforward=lambda dim: GELU(dim, bias=True),
        norm=torch.nn.LayerNorm,
        position=None,
        position_embedding=LearnedPositions,
    )
    write_model(tmp_path, model)
    file = tmp_path / "model.safetensors"
    bare = {name.removeprefix("transformer."): weight for name, weight in load_file(file).items()}
    save_file(bare | {"h.0.attn.bias": torch.ones(1, 1, 8, 8).tril()}, file)
    read = HuggingFaceModel(str(tmp_path)).build(vocab_size=20)
    assert all(torch.equal(weight, read.state_dict()[name]) for name, weight in model.state_dict().items())
    with pytest.raises(ValueError, match=r"model\.context=4: the learned positions of .* fit only a context of 8"):
        HuggingFaceModel(str(tmp_path), context=4).build(vocab_size=20)
