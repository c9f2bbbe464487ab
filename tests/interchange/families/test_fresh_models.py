"""A model that is trained here from an option of `model` exports as the family that its first line names."""

import re
from pathlib import Path

import pytest
import torch

from lm.config.build import build
from lm.config.check import plain
from lm.interchange.huggingface import write_model
from lm.interchange.source import HuggingFaceModel
from support.compositions import composition

MODELS = Path(__file__).parents[3] / "conf" / "model"
NAMED = {file.stem: re.search(r"exports as (\w+)", file.read_text()) for file in sorted(MODELS.glob("*.yaml"))}
FAMILIES = {name: found[1] for name, found in NAMED.items() if found}


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_a_fresh_model_of_a_family_exports_as_it_and_comes_back(name, tmp_path):
    model = build(plain(composition("pretrain").compose([f"model={name}"]))["model"])(vocab_size=40).eval()
    for weight in model.parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    write_model(tmp_path, model)
    source = HuggingFaceModel(str(tmp_path))
    assert source.family.architecture == FAMILIES[name]
    again = source.build(vocab_size=40)
    assert all(torch.equal(weight, model.state_dict()[key]) for key, weight in again.state_dict().items())
    tokens = torch.arange(40)[None]
    torch.testing.assert_close(again(tokens), model(tokens), rtol=1e-5, atol=1e-5)  # weights lie elsewhere in memory
