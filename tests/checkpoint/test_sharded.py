"""Distributed checkpoints are whole or absent, run no code, and hold what a single file would hold."""

import pickle
import shutil

import pytest
import torch

from lm.checkpoint.files import AtomicCheckpointIO
from lm.checkpoint.sharded import check_parts, is_parts, read_into, read_whole, remove_parts, split_tensors, write_parts


def checkpoint(step: int = 3) -> dict:
    state = {n: {"step": torch.tensor(float(step)), "exp_avg": torch.full((2,), step + n)} for n in range(2)}
    groups = [{"params": [0], "lr": 0.1}, {"params": [1], "lr": 0.2}]
    weights = {"model.a": torch.arange(6.0).reshape(2, 3) * step, "model.b.c": torch.ones(2, dtype=torch.bfloat16)}
    return {
        "global_step": step,
        "state_dict": weights,
        "optimizer_states": [{"state": state, "param_groups": groups}],
        "callbacks": {"Checkpoints": {"best": 1.5}},
    }


def write(path, step: int = 3, name: str = "one") -> None:
    path.parent.mkdir(exist_ok=True)
    write_parts(path, *split_tensors(checkpoint(step)), name=name, first=True)


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "checkpoints" / "last.ckpt")
    return tmp_path / "checkpoints" / "last.ckpt"


def test_one_process_reads_what_a_single_file_would_hold(path, tmp_path):
    AtomicCheckpointIO().save_checkpoint(checkpoint(), tmp_path / "file.ckpt")
    expected = AtomicCheckpointIO().load_checkpoint(tmp_path / "file.ckpt", weights_only=True)
    found = AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
    assert is_parts(path)
    assert not is_parts(tmp_path / "file.ckpt")
    assert repr(found) == repr(expected)  # compares tensors too: they are small


def test_some_of_the_tensors_can_be_read_without_the_others(path):
    found = read_whole(path, prefix="weights/model.a")
    assert [*found["state_dict"]] == ["model.a"]
    tensors = {"weights/model.b.c": torch.zeros(2, dtype=torch.bfloat16)}
    read_into(path, tensors, alone=True)
    assert torch.equal(tensors["weights/model.b.c"], checkpoint()["state_dict"]["model.b.c"])


def test_a_later_checkpoint_replaces_the_earlier_and_removes_its_files(path):
    write(path, step=4, name="two")
    assert sorted(each.name for each in path.parent.iterdir()) == ["last.ckpt", "last.two.parts"]
    assert read_whole(path)["global_step"] == 4


def test_a_single_file_replaces_a_distributed_checkpoint_and_the_other_way_round(path):
    AtomicCheckpointIO().save_checkpoint(checkpoint(5), path)
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]
    write(path, step=6, name="three")
    assert read_whole(path)["global_step"] == 6


@pytest.mark.parametrize("later", ["parts", "a single file"])
def test_a_copy_in_which_links_became_directories_resumes(later, path, tmp_path):
    copy = shutil.copytree(path.parent, tmp_path / "copy") / "last.ckpt"
    assert not copy.is_symlink()
    if later == "parts":
        write(copy, step=4, name="two")
    else:
        AtomicCheckpointIO().save_checkpoint(checkpoint(4), copy)
    assert AtomicCheckpointIO().load_checkpoint(copy, weights_only=True)["global_step"] == 4
    assert {each.name for each in copy.parent.iterdir()} <= {"last.ckpt", "last.two.parts"}


@pytest.mark.parametrize("failing", ["torch.save", "os.replace"])
def test_a_failed_write_keeps_the_earlier_checkpoint_and_raises_the_cause(failing, path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(failing, fail)
    with pytest.raises(OSError, match="No space left"):
        write(path, step=4, name="two")
    monkeypatch.undo()
    assert read_whole(path)["global_step"] == 3
    remove_parts(path.parent)
    assert [each.name for each in path.parent.glob("*.parts")] == ["last.one.parts"]
    assert read_whole(path)["global_step"] == 3


class Harm:
    def __reduce__(self):
        return eval, ("__import__('pathlib').Path('harm').touch()",)


def test_a_list_of_tensors_that_would_run_code_is_refused_before_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (path / ".metadata").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged \(it names builtins\.eval.*copy it again, or set"):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
    assert not (tmp_path / "harm").exists()


def test_truncated_and_missing_files_are_reported(path):
    check_parts(path)
    file = next(path.glob("*.distcp"))
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"__0_0\.distcp is too short"):
        check_parts(path)
    file.write_bytes(content)
    (path / "rest.pt").unlink()
    with pytest.raises(ValueError, match=r"rest\.pt is missing"):
        check_parts(path)
    file.unlink()
    with pytest.raises(ValueError, match=r"__0_0\.distcp: No such file or directory: copy it again, or set"):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
