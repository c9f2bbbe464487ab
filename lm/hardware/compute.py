"""Precision, threads and devices of this machine: what `auto` resolves to."""

from dataclasses import dataclass
from typing import Literal

import torch

from lm.bounds import Count, Positive
from lm.hardware.peak import Peak, find_peak
from lm.process.limits import cores, omp_threads, started_as_one_of_several_tasks

Precision = Literal[
    "auto", "32-true", "bf16-mixed", "bf16-true", "64-true"
]  # no fp16: its loss scaling would scale clipped gradients


def _bfloat16_in_hardware(accelerator: str) -> bool:
    if accelerator in ("cuda", "gpu"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return accelerator == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@dataclass(frozen=True)
class Compute:
    """Precision, threads, compilation and activation checkpointing of a run.

    Args:
        precision: Lightning's precision. `auto` is bf16-mixed where the hardware has bfloat16, else 32-true; on a CPU
            only from 2 M parameters on: measured with AVX512-BF16, 1.1 times as fast at 1.3 M parameters, 1.4 at 2.4 M,
            1.6 at 5.5 M.
        threads: Threads of each rank on the CPU. `auto` is OMP_NUM_THREADS where that is set. Else it divides the cores
            that this process may use (by affinity, by the CPU quota of a container, by Slurm's `--cpus-per-task`) among
            the ranks of this machine; a rank that srun started has its own share.
        compile: Compile the blocks with torch.compile: 15–35 s at the start, 10–30 % faster steps on a CPU.
        activation_checkpointing: Compute the activations of each block again in the backward pass: a third more
            arithmetic, for models and contexts that do not fit otherwise.
        peak_flops: Floating-point operations a second that one device can do, which the speed of training is shown as a
            share of. `auto` is what `lm doctor` or an earlier run has measured on this machine at this precision and
            number of threads, else the datasheet of a known GPU, else nothing is shown. `measure` measures matrix
            products first, for half a second. null shows no share.
    """

    precision: Precision = "auto"
    threads: Count | Literal["auto"] = "auto"
    compile: bool = False
    activation_checkpointing: bool = False
    peak_flops: Positive | Literal["auto", "measure"] | None = "auto"

    def find_peak(self, *, accelerator: str, precision: str, threads: int) -> Peak | None:
        """Return what one device can do, by which the speed of a run is judged; None where that is not known.

        Args:
            accelerator: cuda, mps or cpu.
            precision: Lightning's name of the precision.
            threads: Threads of each rank on a CPU.
        """
        if self.peak_flops is None:
            return None
        if isinstance(self.peak_flops, int | float):
            return Peak(float(self.peak_flops), "compute.peak_flops")
        return find_peak(accelerator, precision, threads=threads, measure=self.peak_flops == "measure")

    def resolve_precision(self, accelerator: str, parameters: int) -> str:
        """Return the Lightning precision to train a model of `parameters` with."""
        if self.precision != "auto":
            return self.precision
        gains = accelerator != "cpu" or parameters >= 2_000_000
        return "bf16-mixed" if gains and _bfloat16_in_hardware(accelerator) else "32-true"

    def resolve_threads(self, ranks_here: int) -> int:
        """Return the threads of one rank, and set those of this process.

        Args:
            ranks_here: Ranks on this machine.
        """
        threads = self._automatic_threads(ranks_here) if self.threads == "auto" else self.threads
        torch.set_num_threads(threads)
        return threads

    def _automatic_threads(self, ranks_here: int) -> int:
        if given := omp_threads():
            return given
        return max(1, cores() // (1 if started_as_one_of_several_tasks() else ranks_here))


ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def accelerator_name(accelerator: str) -> str:
    """Return what an accelerator setting means on this machine: cuda, mps or cpu."""
    if accelerator not in ACCELERATORS:
        raise ValueError(f"trainer.accelerator={accelerator}: set one of {', '.join(ACCELERATORS)}")
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    if accelerator == "gpu":
        raise ValueError("trainer.accelerator=gpu: no GPU is visible here; use trainer=cpu or trainer=auto")
    return "cpu"


def count_devices(accelerator: str, devices: int | str | list[int]) -> int:
    """Return the ranks on one machine for Lightning's `devices` setting: a number, auto, or a list of devices."""
    if isinstance(devices, list):
        return len(devices)
    if devices not in ("auto", -1, "-1"):
        if not str(devices).isdigit() or int(devices) < 1:
            raise ValueError(f"trainer.devices={devices}: give a number of at least 1, a list of numbers, or auto")
        return int(devices)
    return torch.cuda.device_count() if accelerator_name(accelerator) == "cuda" else 1
