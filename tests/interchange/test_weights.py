"""Weights lie in one file or several; what is missing, cut off or a pickle is named."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from lm.cli.call import call_job
from lm.interchange import HuggingFaceModel, open_model
from lm.interchange.huggingface import HuggingFace
from lm.interchange.weights import WeightFiles
from support.small_models import publish, small_model
from support.training_runs import composed


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("sharded"), format=HuggingFace(shard=9000))


@pytest.fixture
def copy(sharded, tmp_path) -> Path:
    return shutil.copytree(sharded, tmp_path / "model")


def same(model: torch.nn.Module) -> bool:
    expected = small_model().state_dict()
    return all(torch.equal(weight, expected[name]) for name, weight in model.state_dict().items())


def test_a_model_in_several_files_is_that_in_one(sharded):
    assert len([*sharded.glob("*.safetensors")]) > 2
    assert same(HuggingFaceModel(str(sharded)).build())


def test_several_files_without_an_index_are_all_read(copy):
    (copy / "model.safetensors.index.json").unlink()
    assert same(HuggingFaceModel(str(copy)).build())


@pytest.mark.parametrize("indexed", [True, False])
def test_a_missing_file_is_named(copy, indexed):
    lost = sorted(copy.glob("*.safetensors"))[1]
    lost.unlink()
    if not indexed:
        (copy / "model.safetensors.index.json").unlink()
    with pytest.raises(ValueError, match=rf"{lost.name} is missing.*copy all files of the model"):
        HuggingFaceModel(str(copy)).build()


@pytest.mark.parametrize("left", [0, 4, 100, -1])
def test_a_file_that_is_cut_off_is_named(copy, left):
    file = sorted(copy.glob("*.safetensors"))[0]
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(ValueError, match=rf"{file.name} \(\d+ bytes\) is damaged or cut off .*copy the file again"):
        HuggingFaceModel(str(copy)).build()


def test_an_index_that_names_what_no_file_holds_is_refused(copy):
    index = copy / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["model.norm.weight"] = content["weight_map"]["model.embed_tokens.weight"]
    index.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"says that model-00001.* holds model\.norm\.weight, but it does not"):
        WeightFiles(copy)
    index.write_text("[]")
    with pytest.raises(ValueError, match=r"index\.json is not an index of safetensors files"):
        WeightFiles(copy)


@pytest.fixture
def pickled(copy) -> Path:
    weights = {name: WeightFiles(copy).read(name) for name in WeightFiles(copy).shapes}
    for file in (*copy.glob("*.safetensors"), copy / "model.safetensors.index.json"):
        file.unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    return copy


def test_a_pickle_is_read_only_where_it_is_asked_for(pickled, tmp_path):
    remedy = f"lm export model.path={pickled} model.pickle=true run.name=NAME"
    with pytest.raises(ValueError, match=rf"only pytorch_model.bin, a pickle: .*{re.escape(remedy)}"):
        HuggingFaceModel(str(pickled)).build()
    assert same(HuggingFaceModel(str(pickled), pickle=True).build())
    call_job(composed("export", f"model.path={pickled}", "model.pickle=true", f"run.root={tmp_path}", "run.name=safe"))
    assert same(open_model(str(tmp_path / "export/safe")).build(vocab_size=None))


class Runs:
    def __reduce__(self):
        return (exec, ("raise SystemExit('this ran')",))


def test_a_pickle_that_would_run_code_is_refused(pickled):
    torch.save({"model.norm.weight": Runs()}, pickled / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pytorch_model\.bin is damaged, or holds more than tensors"):
        HuggingFaceModel(str(pickled), pickle=True).build()
