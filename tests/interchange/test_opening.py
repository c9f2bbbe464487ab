"""A path names a run, a published model or nothing; its files say which."""

import re
import shutil
from pathlib import Path

import pytest
import torch

from lm import hub
from lm.checkpoint import RunModel
from lm.conversation import RecordedTemplate
from lm.interchange import HuggingFaceModel, context_of, load_model, open_model, optional_model
from lm.tokenizer import load_tokenizer
from support.small_models import CONTEXT, publish
from support.training_runs import make_corpus, pretraining, run


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    assert run(pretraining(make_corpus(root / "corpus"), root, "run", "budget.steps=1", "validations=1")) == 0
    return root / "pretrain" / "run"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


def test_a_run_and_a_folder_are_told_apart(trained, folder):
    assert isinstance(open_model(str(trained)), RunModel)
    assert isinstance(open_model(str(folder)), HuggingFaceModel)
    assert optional_model() is None
    assert isinstance(optional_model(str(folder)), HuggingFaceModel)
    assert (context_of(str(trained)), context_of(str(folder))) == (32, CONTEXT)
    assert not load_model(str(folder)).training


def test_an_export_beside_a_manifest_is_a_published_model(folder, trained, tmp_path):
    exported = shutil.copytree(folder, tmp_path / "export")
    shutil.copy(trained / "manifest.json", exported)
    assert isinstance(open_model(str(exported)), HuggingFaceModel)


def test_a_run_has_weights_of_one_type(trained):
    assert open_model(str(trained), dtype="float32").build().embedding.weight.dtype == torch.float32
    with pytest.raises(ValueError, match=r"model\.dtype=bfloat16: .* is a run of lm, whose weights are float32"):
        open_model(str(trained), dtype="bfloat16")


def test_files_and_names_are_answered_by_what_works(folder):
    with pytest.raises(ValueError, match=rf"write model\.path={re.escape(str(folder))}$"):
        open_model(str(folder / "model.safetensors"))
    with pytest.raises(ValueError, match=r"of the Hugging Face hub, write model\.path=hub:org/name$"):
        open_model("org/name")


@pytest.fixture
def downloads(folder, monkeypatch) -> list:
    """What huggingface_hub is asked for, without a network."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    asked: list = []
    hub._downloaded.cache_clear()

    def snapshot_download(name, *, revision, allow_patterns):
        asked.append((name, revision, allow_patterns))
        if name == "org/missing":
            raise huggingface_hub.errors.LocalEntryNotFoundError("offline\nmore")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    cached = {"org/name": str(folder / "config.json")}
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda name, file: cached.get(name) if asked else None
    )
    return asked


def test_the_hub_is_asked_only_where_it_is_named(downloads, folder):
    for name in ("org/name", "outputs/pretrain", str(folder)):
        hub.local_folder(name)
    assert downloads == []
    assert open_model("hub:org/name@v1").origin == folder
    assert load_tokenizer("hub:org/name").vocab_size == load_tokenizer(folder).vocab_size
    assert RecordedTemplate("hub:org/name").file == folder / "conversation.json"
    assert [each[:2] for each in downloads] == [("org/name", "v1"), ("org/name", None)]
    assert not any("bin" in pattern for _, _, patterns in downloads for pattern in patterns)


def test_model_huggingface_names_the_hub_and_its_tokenizer_follows(downloads, folder):
    assert HuggingFaceModel("org/name").origin == folder
    assert load_tokenizer("org/name").vocab_size == load_tokenizer(folder).vocab_size
    assert len(downloads) == 1
    HuggingFaceModel("org/name", pickle=True)
    assert "*.bin" in downloads[-1][2]


def test_a_download_that_fails_says_what_else_works(downloads):
    with pytest.raises(ValueError, match=r"hub:org/missing cannot be downloaded \(offline\): .*give a folder"):
        open_model("hub:org/missing")
