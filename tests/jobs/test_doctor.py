"""lm doctor: what is there, what is wrong, what auto chooses."""

import pytest

from lm.hardware import Compute
from lm.jobs import doctor as job
from lm.process import distribution


def test_the_speed_is_measured_and_kept(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("lm.hardware.peak.SECONDS", 0.0)
    found = job.doctor(Compute(threads=1), root=str(tmp_path / "outputs"))
    assert "GFLOP/s float32 (measured, 1 threads)" in found["speed"]
    assert Compute().find_peak(accelerator="cpu", precision="32-true", threads=1).flops > 1e8


def test_a_sound_machine_has_nothing_wrong(tmp_path, capsys: pytest.CaptureFixture[str]):
    found = job.doctor(Compute(threads=1), root=str(tmp_path / "outputs"), measure=False)
    said = capsys.readouterr().out
    assert "nothing is wrong" in said
    assert any("torch 2." in line for line in found["versions"])
    assert "compute.threads: 1, set" in said
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("lightning", "2.6.3", r"lightning 2.6.3 is a compromised release.*: pip uninstall lightning"),
        ("omegaconf", "2.4.0", r"omegaconf 2.4.0 is not <2.4,>=2.3: pip install 'omegaconf>=2.3,<2.4'"),
        ("tokenizers", "", r"tokenizers is not installed: pip install 'tokenizers>=0.23'"),
    ],
)
def test_a_version_that_is_bad_missing_or_not_asked_for_is_told_with_its_remedy(
    name: str, version: str, words: str, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    real = job._version
    monkeypatch.setattr(job, "_version", lambda each: version if each == name else real(each))
    with pytest.raises(ValueError, match=words):
        job.doctor(Compute(threads=1), root=str(tmp_path), measure=False)


def test_a_full_disk_and_little_memory_are_told(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job, "available_memory", lambda: 10**9)
    monkeypatch.setattr(job, "_free", lambda root: 10**8)
    with pytest.raises(ValueError, match=r"100 MB free for root=.*\n1.00 GB of memory available"):
        job.doctor(Compute(threads=1), root=str(tmp_path), measure=False)


def test_requirements_of_the_core_and_of_each_extra_are_known():
    found = distribution.requirements()
    assert any(each.startswith("torch>=") for each in found[""])
    assert found["tensorboard"][0].startswith("tensorboard")


@pytest.mark.parametrize(
    ("bf16", "choice"), [(True, "bf16-mixed from 2 M parameters on"), (False, "32-true, no bfloat16")]
)
def test_auto_is_explained(bf16: bool, choice: str, tmp_path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("lm.hardware.compute._bfloat16_in_hardware", lambda accelerator: bf16)
    monkeypatch.setattr(job, "accelerator_name", lambda accelerator: "cpu")
    job.doctor(Compute(threads=1), root=str(tmp_path), measure=False)
    assert f"compute.precision: {choice}" in capsys.readouterr().out
