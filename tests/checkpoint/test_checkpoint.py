"""A run directory stands alone, and loading it never runs foreign code."""

import json
import shutil
from collections import OrderedDict
from functools import partial
from threading import Event

import pytest
import torch
from safetensors.torch import load_file

from lm.checkpoint import RunModel
from lm.checkpoint.files import AtomicCheckpointIO
from lm.cli.call import call_job
from lm.interchange import load_model
from lm.model import lora, scalar_head
from lm.tokenizer import load_tokenizer
from support.training_runs import composed, make_corpus, pretraining, run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run whose best and last differ, and whose corpus and original directory no longer exist."""
    root = tmp_path_factory.mktemp("root")
    corpus = make_corpus(root / "corpus")
    options = (
        "budget.steps=4",
        "validations=2",
        "optimizer=adamw",
        "optimizer.learning_rate=10.0",
        "schedule=constant",
    )
    assert run(pretraining(corpus, root, "run", *options)) == 0
    shutil.rmtree(corpus)
    return shutil.move(root / "pretrain" / "run", tmp_path_factory.mktemp("elsewhere") / "moved")


@pytest.fixture
def copied(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def describe(directory, **changes) -> None:
    """Change the architecture in a run directory."""
    file = directory / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def weights(directory, which: str) -> dict[str, torch.Tensor]:
    state = torch.load(directory / "checkpoints" / f"{which}.ckpt", weights_only=True)["state_dict"]
    return {name.removeprefix("model."): value for name, value in state.items()}


def same(model, state) -> bool:
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_moved_run_loads_without_its_corpus_and_computes(trained):
    tokenizer = load_tokenizer(trained)
    model = RunModel(str(trained)).build(vocab_size=tokenizer.vocab_size)
    assert not model.training
    assert model(torch.tensor([tokenizer.encode("alpha beta")])).isfinite().all()


def test_best_is_loaded_by_default_and_last_on_request(trained):
    best, last = weights(trained, "best"), weights(trained, "last")
    assert not all(torch.equal(best[name], last[name]) for name in best), "the test needs checkpoints that differ"
    assert same(load_model(str(trained)), best)
    assert same(load_model(str(trained), which="last"), last)


def test_without_a_best_the_last_is_loaded_unless_the_run_recorded_a_best(copied):
    (copied / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(ValueError, match=r"best\.ckpt is missing, though its run made it"):
        load_model(str(copied))
    (copied / "manifest.json").unlink()
    assert same(load_model(str(copied)), weights(copied, "last"))


def test_a_checkpoint_holds_plain_data_only(trained):
    def plain(value) -> bool:
        if isinstance(value, dict):
            return all(plain(each) for pair in value.items() for each in pair)
        if isinstance(value, list | tuple):
            return all(map(plain, value))
        return type(value) in (torch.Tensor, str, int, float, bool, type(None))

    saved = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    assert not [key for key, value in saved.items() if not plain(value) and key != "state_dict"]
    assert all(type(value) is torch.Tensor for value in saved["state_dict"].values())


def test_a_torn_checkpoint_is_never_loaded(copied):
    whole = (copied / "checkpoints" / "best.ckpt").read_bytes()
    (copied / "checkpoints" / ".best.0123abcd.ckpt").write_bytes(whole[:100])
    (copied / "checkpoints" / "best.ckpt").unlink()
    (copied / "manifest.json").unlink()  # which records that there was one
    assert same(load_model(str(copied)), weights(copied, "last"))


def test_one_flipped_bit_in_the_weights_is_reported(copied):
    file = copied / "checkpoints" / "best.ckpt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"best\.ckpt is damaged .*is not what was written.*copy it again"):
        load_model(str(copied))


def test_a_failed_write_keeps_the_earlier_checkpoint(tmp_path):
    io, path = AtomicCheckpointIO(), tmp_path / "checkpoints" / "last.ckpt"
    io.save_checkpoint({"step": 1}, path)
    with pytest.raises(Exception, match="pickle"):
        io.save_checkpoint({"weights": torch.zeros(1000), "step": lambda: 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize(
    "target",
    [
        "subprocess.run",
        "lm.models.Transformer",
        "lm.directory.Run",
        "lm.model.Nothing",
        "lm.model.transformer.torch.load",  # starts like a part of lm.model, is defined elsewhere
        "torch.nn.functional.torch.hub.load",
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_a_foreign_target_in_an_architecture_is_refused_before_it_runs(target, deep, copied):
    norm = {"_target_": "torch.nn.RMSNorm", "_partial_": True, "eps": {"_target_": target}}
    describe(copied, **({"norm": norm} if deep else {"_target_": target}))
    with pytest.raises(ValueError, match=rf"model\.json names {target}, which (is not part of|cannot be loaded)"):
        load_model(str(copied))


def test_a_model_of_another_vocabulary_is_refused(trained):
    size = load_tokenizer(trained).vocab_size
    with pytest.raises(ValueError, match=rf"a vocabulary of {size}, the tokenizer {size + 1}: use .*/tokenizer\.json"):
        RunModel(str(trained)).build(vocab_size=size + 1)


@pytest.mark.parametrize(("name", "message"), [("here", "is not a trained model"), ("nowhere", "does not exist")])
def test_a_path_without_a_model_is_refused_with_an_example(name, message, tmp_path):
    (tmp_path / "here").mkdir()
    with pytest.raises(ValueError, match=rf"model\.path=.*{name} {message}\b.*outputs/pretrain/default"):
        load_model(str(tmp_path / name))


def test_a_run_without_a_checkpoint_is_refused(copied):
    shutil.rmtree(copied / "checkpoints")
    (copied / "manifest.json").unlink()
    with pytest.raises(ValueError, match="has no checkpoint yet: finish its run first"):
        load_model(str(copied))


def test_a_model_trained_further_keeps_its_architecture(trained):
    assert RunModel(str(trained)).describe(vocab_size=7) == json.loads((trained / "model.json").read_text())


def test_the_head_of_a_reward_model_is_loaded_and_trains_where_it_is_asked_for(copied):
    file, head = copied / "checkpoints" / "best.ckpt", {"_target_": "lm.model.scalar_head", "_partial_": True}
    checkpoint = torch.load(file, weights_only=True)
    dim = checkpoint["state_dict"]["model.embedding.weight"].shape[1]
    scores = torch.arange(float(dim))[None]
    checkpoint["state_dict"] |= {"model.head.weight": scores, "model.head.bias": torch.ones(1)}
    torch.save(checkpoint, file)
    describe(copied, head=head)
    adapter = partial(lora, rank=2, alpha=4, targets=["attention.*"])
    for source in (RunModel(str(copied)), RunModel(str(copied), head=scalar_head, adapter=adapter)):
        model = source.build()
        assert torch.equal(model.head.weight, scores)
        assert model.head.bias == 1
        assert model.head.weight.requires_grad == (source.head is not None)
        assert source.describe(vocab_size=model.vocab_size)["head"] == head
    assert {name.rpartition(".")[2] for name, weight in model.named_parameters() if weight.requires_grad} == {
        "down", "up", "weight", "bias",
    }  # fmt: skip


def test_a_new_head_scores_0_beside_a_frozen_model(trained):
    adapter = partial(lora, rank=2, alpha=4, targets=["attention.*"])
    source = RunModel(str(trained), head=scalar_head, adapter=adapter)
    model = source.build()
    trains = {name for name, weight in model.named_parameters() if weight.requires_grad and "change" not in name}
    assert trains == {"head.weight", "head.bias"}
    assert not model.head(model.hidden(torch.tensor([[1, 2, 3]]))).any()
    assert source.describe(vocab_size=model.vocab_size)["head"]["_target_"] == "lm.model.scalar_head"
    assert load_model(str(trained)).head is None


def test_a_consolidated_run_has_the_weights_in_single_files(trained, tmp_path):
    call_job(composed("consolidate", f"path={trained}", f"run.root={tmp_path}"))
    directory = tmp_path / "consolidate" / "default"
    assert same(load_model(str(directory)), weights(trained, "best"))
    assert same(load_model(str(trained)), load_file(directory / "model.safetensors"))


def test_a_checkpoint_written_behind_is_that_of_the_moment_it_was_saved(tmp_path, monkeypatch):
    io, path, begin, order = AtomicCheckpointIO(), tmp_path / "last.ckpt", Event(), []
    whole = torch.save
    monkeypatch.setattr(torch, "save", lambda *parts: (begin.wait(10), order.append("written"), whole(*parts)))
    weight, listed = torch.arange(4.0), [1, 2]
    state = OrderedDict(weight=weight, tied=weight.view(4), other=torch.zeros(4))
    for saved in range(2):  # the second one takes the room of the first
        begin.clear()
        with io.behind():
            io.first(lambda: order.append("metrics"))
            io.save_checkpoint({"state_dict": state, "callbacks": {"guard": listed}, "step": saved}, path)
        assert saved or not path.exists()
        expected, told = weight.clone(), [*listed]
        weight += 1
        listed.append(3)
        begin.set()
        found = io.load_checkpoint(path, weights_only=True)  # waits
        assert found["step"] == saved
        assert torch.equal(found["state_dict"]["weight"], expected)
        assert found["state_dict"]["weight"].data_ptr() == found["state_dict"]["tied"].data_ptr()
        assert torch.equal(found["state_dict"]["other"], torch.zeros(4))
        assert found["callbacks"]["guard"] == told
    assert order == ["metrics", "written"] * 2
    io.teardown()


def test_a_failure_behind_is_raised_at_the_next_use_and_leaves_the_checkpoint_before(tmp_path):
    io, path = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"step": 1}, path)
    with io.behind():
        io.save_checkpoint({"weights": torch.zeros(1000), "step": lambda: 2}, path)
    with pytest.raises(Exception, match=r"lambda|pickle"):
        io.teardown()
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    assert io.load_checkpoint(path, weights_only=True) == {"step": 1}


def test_without_room_for_a_copy_a_checkpoint_is_written_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("lm.checkpoint.files.available_memory", lambda: 1000)
    io, path = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    with io.behind():
        io.save_checkpoint({"weights": torch.zeros(1000)}, path)
    assert path.exists()
