"""The sizes in conf/model are what their first lines say."""

import re
from pathlib import Path

import pytest
import torch

from lm.config.build import build
from lm.config.check import plain
from support.compositions import composition

MODELS = Path(__file__).parents[2] / "conf" / "model"
SIZES = sorted(path.stem for path in MODELS.glob("*.yaml") if "lm.model.Transformer" in path.read_text())
TUNING = {"adapter", "quantise", "head"}  # groups for trained models
GROUPS = sorted(
    (group.name, option.stem)
    for group in MODELS.iterdir()
    if group.is_dir() and group.name not in TUNING
    for option in group.glob("*.yaml")
)


def made(*overrides: str):
    config = plain(composition("pretrain").compose([*overrides]))
    with torch.device("meta"):
        return build(config["model"])(vocab_size=4096)


@pytest.mark.parametrize("size", SIZES)
def test_the_first_line_states_the_parameters_at_a_vocabulary_of_4096(size):
    said = re.match(r"# ([\d.]+) M parameters", (MODELS / f"{size}.yaml").read_text())
    parameters = sum(parameter.numel() for parameter in made(f"model={size}").parameters())
    assert float(said[1]) == pytest.approx(parameters / 1e6, rel=0.05, abs=0.05)


@pytest.mark.parametrize(("group", "option"), GROUPS)
def test_every_part_fits_a_model(group, option):
    model = made("model=nano", f"model/{group}={option}")
    logits = model(torch.zeros(1, 3, dtype=torch.int64, device="meta"))
    assert logits.shape == (1, 3, 4096)
    written = (MODELS / group / f"{option}.yaml").read_text()
    assert "_target_: lm.model." in written or (group == "norm" and "_target_: torch.nn." in written)
