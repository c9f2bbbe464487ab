"""A model of which few weights were tuned is a model like any other: one path loads, tunes and reports it."""

import json
import re
from functools import partial

import pytest
import torch
from torch import nn

from lm.cli.call import call_job
from lm.directory.manifest import read_manifest
from lm.hardware.datasheets import measure_machine
from lm.interchange import load_model
from lm.report import scaled
from support.training_runs import instruction, make_corpus, pretraining, run

LORA = (
    "model/adapter=lora",
    "model.adapter.rank=2",
    "model.adapter.targets=[attention.*]",
    "optimizer.learning_rate=0.05",
)
STEP = ("budget.steps=2", "validations=0")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    corpus = make_corpus(root / "corpus")
    assert run(pretraining(corpus, root, "run", "budget.steps=3", "validations=0")) == 0
    return root / "pretrain" / "run"


@pytest.fixture(scope="module")
def tuned(pretrained, tmp_path_factory):
    root = tmp_path_factory.mktemp("tuned")
    assert run(instruction(pretrained, root, "run", *LORA, *STEP)) == 0
    return root / "instruct" / "run"


def changed(one, other) -> set[str]:
    before = one.state_dict()
    return {name for name, value in other.state_dict().items() if not torch.equal(value, before[name])}


def test_an_adapted_run_loads_merged_with_the_architecture_it_began_from(pretrained, tuned):
    before, after = load_model(str(pretrained)), load_model(str(tuned))
    assert repr(after) == repr(before)
    assert changed(before, after) == {name for name in before.state_dict() if ".attention." in name}
    saved = torch.load(tuned / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    part = "blocks.1.attention.query"
    change = 16 / 2 * saved[f"model.{part}.change.up"] @ saved[f"model.{part}.change.down"]
    wanted = before.state_dict()[f"{part}.weight"] + change
    torch.testing.assert_close(after.state_dict()[f"{part}.weight"], wanted, atol=1e-6, rtol=1e-6)
    result = read_manifest(tuned)["result"]
    assert result["trained"] == sum(value.numel() for name, value in saved.items() if ".change." in name)
    assert result["parameters"] == result["trained"] + sum(value.numel() for value in before.parameters())


@pytest.mark.parametrize("again", ["whole", "adapted"])
def test_a_tuned_model_is_tuned_on_from_where_it_was(again, tuned, tmp_path):
    options = {"whole": (), "adapted": ("model/adapter=dora", "model/quantise=int8")}[again]
    assert run(instruction(tuned, tmp_path, "again", *options, *STEP)) == 0
    directory = tmp_path / "instruct" / "again"
    description = json.loads((directory / "model.json").read_text())
    assert {*description} & {"adapter", "quantise"} == ({"adapter", "quantise"} if options else set())
    one, other = load_model(str(tuned)), load_model(str(directory))
    assert repr(one) == repr(other)
    tokens = torch.arange(20)[None]
    assert 0 < (one(tokens) - other(tokens)).abs().max() < 5, "further, and from there"


def test_frozen_weights_do_not_change(pretrained, tmp_path):
    frozen = ["embedding", "blocks.0", "blocks.1.*norm"]
    assert run(instruction(pretrained, tmp_path, "run", *STEP, f"model.freeze=[{','.join(frozen)}]")) == 0
    before, after = load_model(str(pretrained)), load_model(str(tmp_path / "instruct" / "run"))
    trained = {name for name in before.state_dict() if name.startswith("blocks.1.") and "norm" not in name}
    assert changed(before, after) == trained | {"norm.weight"}
    assert (tmp_path / "instruct" / "run" / "model.json").read_bytes() == (pretrained / "model.json").read_bytes()


@pytest.mark.parametrize(
    ("start", "options", "reported"),
    [
        ("pretrained", LORA, True),
        ("pretrained", ["model.freeze=[embedding]"], True),
        ("pretrained", [*LORA, "model.adapter.whole=[embedding]"], False),
        ("pretrained", [], False),
        ("tuned", LORA, False),
    ],
)
def test_turn_tokens_that_would_stay_random_are_reported(start, options, reported, request, tmp_path, capsys):
    call_job(instruction(request.getfixturevalue(start), tmp_path, "run", *STEP, *options))
    assert ("has never read the turn tokens, so they stay random" in capsys.readouterr().out) == reported


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model/adapter=lora", "model.adapter.targets=[attn.*]"], r"adapter\.targets: attn\.\* names nothing in this"),
        (
            ["model.freeze=[embeding]"],
            r"freeze: embeding names nothing in this model; there is embedding\.weight",
        ),
        (["model.freeze=['*']"], r"model\.freeze: \* leaves nothing to train"),
        (["model/quantise=nf4"], r"put an adapter beside them, as model/adapter=lora"),
    ],
)
@pytest.mark.parametrize("dry_run", ["dry_run=false", "dry_run=true"])
def test_a_mistake_is_refused_and_writes_nothing(overrides, message, dry_run, pretrained, tmp_path):
    with pytest.raises(ValueError, match=message):
        call_job(instruction(pretrained, tmp_path, "run", dry_run, *overrides))
    assert not (tmp_path / "instruct").exists()


def test_a_dry_run_counts_trained_weights_and_the_optimizer_state_of_those(pretrained, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lm.training.estimate.measure_machine", partial(measure_machine, seconds=0.01))
    printed = {}
    for name, options in {"all": [], "few": LORA}.items():
        call_job(instruction(pretrained, tmp_path, "run", "dry_run=true", *options))
        printed[name] = capsys.readouterr().out
    model = load_model(str(pretrained))
    layers = [layer for block in model.blocks for layer in block.attention.modules() if isinstance(layer, nn.Linear)]
    added = sum(2 * (layer.in_features + layer.out_features) for layer in layers)
    assert f"{scaled(added)} trained" in printed["few"]
    assert not re.search(r"\btrained\b", printed["all"])
    states = {name: float(re.search(r"optimizer +([\d.]+) kB", text)[1]) for name, text in printed.items()}
    assert states["all"] == pytest.approx(8e-3 * sum(value.numel() for value in model.parameters()), rel=0.01)
    assert states["few"] == pytest.approx(8e-3 * added, rel=0.05)
