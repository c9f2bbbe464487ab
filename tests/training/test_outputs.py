"""A run resumes from a checkpoint of its own only, and says how where `last` is damaged."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch

from lm.cli.call import call_job
from lm.directory.manifest import read_manifest
from lm.interchange import load_model
from support.training_runs import make_corpus, pretraining, run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def broken_off(corpus, tmp_path_factory):
    """Two runs of 12 steps and of two seeds, which ended after 10; validated after 4 and 8."""
    root = tmp_path_factory.mktemp("broken_off")
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 40}"
    for seed, name in enumerate(("first", "second")):
        assert run(pretraining(corpus, root, name, killer, f"seed={seed}")) == -signal.SIGKILL
    return root / "pretrain"


@pytest.fixture
def resumed(broken_off, corpus, tmp_path):
    """Resume a copy of the first run after its checkpoints were changed, and return its directory."""
    checkpoints = tmp_path / "pretrain/first/checkpoints"
    shutil.copytree(broken_off / "first", checkpoints.parent)

    def resume(*options: str) -> Path:
        call_job(pretraining(corpus, tmp_path, "first", *options))
        return checkpoints.parent

    resume.checkpoints = checkpoints
    return resume


@pytest.mark.parametrize("which", ["last", "best"])
def test_the_checkpoint_of_another_run_is_refused_by_name(which, resumed, broken_off):
    shutil.copy(broken_off / f"second/checkpoints/{which}.ckpt", resumed.checkpoints)
    expected = rf"{which}\.ckpt is a checkpoint of another run, made from another config or other inputs.*restart=true"
    with pytest.raises(ValueError, match=expected):
        resumed()
    if which == "best":
        with pytest.raises(ValueError, match=expected):
            load_model(str(resumed.checkpoints.parent))


def test_a_copy_of_the_same_run_under_another_name_is_the_same_run(resumed, broken_off, corpus, tmp_path):
    shutil.copytree(broken_off / "first", tmp_path / "elsewhere/pretrain/moved")
    call_job(pretraining(corpus, tmp_path / "elsewhere", "moved", "callbacks.metrics.every=5"))
    shutil.copy(tmp_path / "elsewhere/pretrain/moved/checkpoints/last.ckpt", resumed.checkpoints)
    assert read_manifest(resumed())["state"] == "complete"


def test_a_checkpoint_beyond_the_plan_is_refused_by_name(resumed):
    last = resumed.checkpoints / "last.ckpt"
    torch.save({**torch.load(last, weights_only=True), "global_step": 13}, last)
    with pytest.raises(ValueError, match=r"last\.ckpt is at step 13, beyond the 12 steps of this run: copy this run's"):
        resumed()


def test_a_checkpoint_of_an_earlier_version_that_does_not_name_its_run_resumes(resumed):
    last = resumed.checkpoints / "last.ckpt"
    torch.save({key: value for key, value in torch.load(last, weights_only=True).items() if key != "run"}, last)
    assert read_manifest(resumed())["state"] == "complete"


def damage_content(file: Path) -> None:
    """Change a byte of a tensor, which only the checksum shows."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [damage_content, lambda file: file.write_bytes(file.read_bytes()[:99]), lambda file: file.write_bytes(b"")],
    ids=["a byte", "cut", "empty"],
)
def test_a_damaged_last_names_best_as_the_way_out_which_works_when_copied(damage, resumed):
    damage(resumed.checkpoints / "last.ckpt")
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged \(.*\): to resume from step 8, the best") as raised:
        resumed()
    command = re.search(r"validation: (.*); or set run\.restart=true", str(raised.value))[1]
    subprocess.run(command, shell=True, check=True)
    directory = resumed()
    assert read_manifest(directory)["state"] == "complete"
    assert len((directory / "metrics.csv").read_text().splitlines()) == 1 + 12 + 3


def test_a_damaged_last_beside_a_damaged_best_names_the_restart_only(resumed):
    for which in ("last", "best"):
        (resumed.checkpoints / f"{which}.ckpt").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged \(.*\): copy it again, or set run\.restart=true"):
        resumed()


def test_a_link_to_a_distributed_checkpoint_that_is_not_there_is_not_taken_for_a_new_run(resumed):
    last = resumed.checkpoints / "last.ckpt"
    last.unlink()
    last.symlink_to("last.abc.parts")
    with pytest.raises(ValueError, match=r"last\.ckpt: .*: to resume from step 8"):
        resumed()
