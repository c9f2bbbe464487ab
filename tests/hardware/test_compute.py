"""`auto` picks what is fastest on this machine and trains correctly."""

import os
from pathlib import Path

import pytest
import torch

from lm.hardware import Compute, compute
from lm.hardware.compute import accelerator_name, count_devices
from lm.process import limits


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def machine(monkeypatch):
    """A machine with or without a GPU, and with or without bfloat16."""

    def make(*, gpus: int = 0, bfloat16: bool = True, cores: int = 8) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr(compute, "_bfloat16_in_hardware", lambda accelerator: bfloat16)
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
        monkeypatch.setattr(limits, "MEMBERSHIP", Path("/nowhere"))
        for name in ("OMP_NUM_THREADS", *(name for name in os.environ if name.startswith("SLURM_"))):
            monkeypatch.delenv(name, raising=False)

    return make


@pytest.mark.parametrize(
    ("accelerator", "parameters", "bfloat16", "expected"),
    [
        ("cpu", 1_999_999, True, "32-true"),
        ("cpu", 2_000_000, True, "bf16-mixed"),
        ("cpu", 2_000_000, False, "32-true"),
        ("cuda", 1_000, True, "bf16-mixed"),
        ("cuda", 2_000_000, False, "32-true"),
    ],
)
def test_bfloat16_is_picked_if_the_hardware_has_it_and_the_model_gains(
    machine, accelerator, parameters, bfloat16, expected
):
    machine(bfloat16=bfloat16)
    assert Compute().resolve_precision(accelerator, parameters) == expected


def test_auto_avoids_half_precision_on_apple_gpus():
    assert Compute().resolve_precision("mps", 10**9) == "32-true"


def test_a_given_precision_is_kept():
    assert Compute(precision="64-true").resolve_precision("cuda", 10**9) == "64-true"


@pytest.mark.parametrize(("cores", "ranks", "expected"), [(8, 1, 8), (8, 2, 4), (8, 3, 2), (2, 4, 1)])
def test_ranks_divide_the_available_cores(machine, cores, ranks, expected):
    machine(cores=cores)
    assert Compute().resolve_threads(ranks) == expected
    assert torch.get_num_threads() == expected


@pytest.mark.parametrize(
    ("environment", "ranks", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, 2, 3),  # of each process
        ({"OMP_NUM_THREADS": "5,2"}, 1, 5),
        ({"OMP_NUM_THREADS": "many"}, 2, 4),
        ({"SLURM_CPUS_PER_TASK": "6"}, 1, 6),
        ({"SLURM_CPUS_PER_TASK": "6", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, 2, 3),  # lm starts the second rank
        ({"SLURM_CPUS_PER_TASK": "3", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, 2, 3),  # srun started both
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, 2, 4),
    ],
)
def test_auto_honours_openmp_and_the_share_of_a_slurm_task(environment, ranks, expected, machine, monkeypatch):
    machine(cores=8)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Compute().resolve_threads(ranks) == expected


def test_a_given_number_of_threads_is_set(machine):
    machine(cores=8)
    assert Compute(threads=3).resolve_threads(2) == 3
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("gpus", "expected"), [(0, "cpu"), (2, "cuda")])
def test_auto_is_a_gpu_if_there_is_one(machine, gpus, expected):
    machine(gpus=gpus)
    assert accelerator_name("auto") == expected
    assert accelerator_name("cpu") == "cpu"


def test_a_missing_gpu_is_refused(machine):
    machine(gpus=0)
    with pytest.raises(ValueError, match=r"trainer\.accelerator=gpu: no GPU is visible here; use trainer=cpu"):
        accelerator_name("gpu")


@pytest.mark.parametrize(
    ("accelerator", "devices", "expected"),
    [("auto", "auto", 4), ("gpu", -1, 4), ("gpu", 2, 2), ("gpu", "2", 2), ("gpu", [1, 3], 2), ("cpu", "auto", 1)],
)
def test_devices_are_counted_as_lightning_does(machine, accelerator, devices, expected):
    machine(gpus=4)
    assert count_devices(accelerator, devices) == expected
