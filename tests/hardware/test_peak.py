"""What a device can do is measured once, kept, and never invented."""

import json
from pathlib import Path

import pytest

from lm.hardware import Compute, peak
from lm.hardware.datasheets import Machine

HERE = {"accelerator": "cpu", "precision": "32-true", "threads": 1}


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Speeds that are measured, one after the other."""
    speeds = [2e9, 3e9, 1e9]
    monkeypatch.setenv(peak.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(
        peak, "measure_machine", lambda *_, **__: Machine("here", speeds.pop(0), 1e9, 0.5, f"{len(speeds)} left")
    )
    return speeds


def test_nothing_is_known_before_it_is_measured(measured: list[float]):
    assert Compute().find_peak(**HERE) is None
    assert len(measured) == 3


def test_a_measurement_is_kept_by_precision_and_threads_and_the_fastest_stays(measured: list[float]):
    assert Compute(peak_flops="measure").find_peak(**HERE).flops == 2e9
    assert Compute().find_peak(**HERE) == peak.Peak(2e9, "2 left")
    assert Compute().find_peak(**{**HERE, "precision": "bf16-mixed"}) is None
    assert Compute().find_peak(**{**HERE, "threads": 2}) is None
    assert [Compute(peak_flops="measure").find_peak(**HERE).flops for _ in range(2)] == [3e9, 3e9]
    assert measured == []


def test_a_number_or_null_is_taken_as_it_is(measured: list[float]):
    assert Compute(peak_flops=5e12).find_peak(**HERE) == peak.Peak(5e12, "compute.peak_flops")
    assert Compute(peak_flops=None).find_peak(**HERE) is None
    assert len(measured) == 3


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', "\0"])
def test_a_damaged_file_of_measurements_is_one_without_them(content: str, tmp_path: Path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "speeds.json").write_text(content)
    assert Compute().find_peak(**HERE) is None
    assert Compute(peak_flops="measure").find_peak(**HERE).flops == 2e9
    assert len(json.loads((tmp_path / "cache" / "speeds.json").read_text())) == 1 + ("x" in content)


def test_a_known_gpu_has_its_datasheet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    assert Compute().find_peak(accelerator="cuda", precision="bf16-mixed", threads=1).flops == 989e12
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Some GPU")
    assert Compute().find_peak(accelerator="cuda", precision="bf16-mixed", threads=1) is None
