"""The sizes in conf/model are what their first lines say."""

import re
from pathlib import Path

import pytest
import torch

from lm.checkpoint.architecture import build_architecture, check_loadable, write_architecture
from lm.config.build import build
from lm.config.check import plain
from lm.model import model_source
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


def chosen(group: str, option: str) -> str:
    """The override that chooses an option of a part, which is added where models have none."""
    return f"{'' if f'- {group}:' in (MODELS / 'nano.yaml').read_text() else '+'}model/{group}={option}"


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
    model = made("model=nano", chosen(group, option))
    logits = model(torch.zeros(1, 3, dtype=torch.int64, device="meta"))
    assert logits.shape == (1, 3, 4096)
    written = (MODELS / group / f"{option}.yaml").read_text()
    assert "_target_: lm.model." in written or (group == "norm" and "_target_: torch.nn." in written)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_built_again_from_its_model_json(size, tmp_path):
    config = plain(composition("pretrain").compose([f"model={size}"]))
    source = model_source(build(config["model"]))
    described = source.describe(vocab_size=300)
    check_loadable(described)
    write_architecture(tmp_path, described)
    with torch.device("meta"):
        first, again = source.outline(vocab_size=300), build_architecture(tmp_path, vocab_size=300)
    assert str(again) == str(first)
    assert [block.attention.window for block in again.blocks] == [block.attention.window for block in first.blocks]
