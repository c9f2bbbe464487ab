"""Models of sparse experts, in files that name each expert and in files that stack them."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from lm.config.build import build
from lm.config.check import plain
from lm.interchange.config_file import read_config
from lm.interchange.export import family_of, their_weights
from lm.interchange.huggingface import write_model
from lm.interchange.source import HuggingFaceModel
from lm.model import Transformer
from support.compositions import composition

OPTIONS = {"mixtral": "MixtralForCausalLM", "qwen3_moe": "Qwen3MoeForCausalLM"}


def fresh(name: str, *changes: str) -> Transformer:
    torch.manual_seed(0)
    model = build(plain(composition("pretrain").compose([f"model={name}", *changes]))["model"])(vocab_size=61)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


@pytest.mark.parametrize("name", OPTIONS)
def test_files_that_stack_the_experts_are_read_as_files_that_name_each(name, tmp_path):
    model = fresh(name)
    write_model(tmp_path, model)
    named = load_file(tmp_path / "model.safetensors")
    family, config = family_of(model)
    assert config["architectures"] == [OPTIONS[name]]
    for names in family.other_names:
        stacked = their_weights(replace(family, names=names), model, model.state_dict())
        hidden = model.blocks[0].feedforward.experts[0].down.in_features
        (both,) = (tensor for key, tensor in stacked.items() if ".1." in key and key.endswith("gate_up_proj"))
        assert both.shape == (len(model.blocks[0].feedforward.experts), 2 * hidden, 32)
        assert torch.equal(both[3, hidden:], model.blocks[1].feedforward.experts[3].up.weight)  # gate, then up
        save_file(stacked, tmp_path / "model.safetensors")
        again = HuggingFaceModel(str(tmp_path)).build(vocab_size=61)
        written = their_weights(family, again, again.state_dict())
        assert written.keys() == named.keys()
        assert all(torch.equal(written[key], value) for key, value in named.items())


@pytest.mark.parametrize("name", OPTIONS)
def test_the_weight_of_the_balancing_loss_is_kept_both_ways(name, tmp_path):
    write_model(tmp_path, fresh(name, "model.feedforward.balance=0.03"))
    assert json.loads((tmp_path / "config.json").read_text())["router_aux_loss_coef"] == 0.03
    assert read_config(tmp_path)[1]["feedforward"]["balance"] == 0.03


def test_a_missing_expert_is_named(tmp_path):
    write_model(tmp_path, fresh("mixtral"))
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.layers.1.block_sparse_moe.experts.6.w3.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"no tensor model.layers.1.block_sparse_moe.experts.6.w3.weight, which Mixtral"
    ):
        HuggingFaceModel(str(tmp_path)).build()


def test_both_spellings_of_the_number_of_experts_are_read_and_a_contradiction_is_refused(tmp_path):
    write_model(tmp_path, fresh("qwen3_moe"))
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    number = config.pop("num_experts")
    file.write_text(json.dumps(config | {"num_local_experts": number}))
    assert read_config(tmp_path)[1]["feedforward"]["experts"] == number == 8
    file.write_text(json.dumps(config | {"num_local_experts": 4, "num_experts": 8}))
    with pytest.raises(ValueError, match="contradicts itself: num_experts=8 and num_local_experts=4"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("model.feedforward.renormalise=false", "MixtralForCausalLM: blocks.0.feedforward.renormalise is False"),
        ("+model.feedforward.shared=${model.feedforward.expert}", "feedforward.shared"),
    ],
)
def test_experts_that_no_family_has_are_refused_with_the_part_in_the_way(change, words):
    with pytest.raises(ValueError, match=words):
        family_of(fresh("mixtral", change.removeprefix("+")))
