"""What the machine at hand does fastest and right: `auto` for precision and threads, and a word on what it picked."""

from dataclasses import dataclass
from typing import Literal

import torch

from lm.bounds import Count
from lm.process.ranks import cores

Precision = Literal["auto", "32-true", "bf16-mixed", "bf16-true", "64-true"]  # fp16 would scale what is clipped


def _bfloat16_in_hardware(accelerator: str) -> bool:
    if accelerator in ("cuda", "gpu"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return accelerator == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@dataclass(frozen=True)
class Compute:
    """Precision, threads and compilation of a run.

    On a CPU bfloat16 is picked only where the instruction set has it and the model is large enough to gain: measured
    with AVX512-BF16, 1.1 times as fast at 1.3 M parameters, 1.4 at 2.4 M, 1.6 at 5.5 M. `compile` costs 15–35 s at
    the start and gives 10–30 % on a CPU, so it is off unless asked for. `activation_checkpointing` computes the inside
    of each block twice and holds one at a time, for models and contexts that do not fit otherwise.
    """

    precision: Precision = "auto"
    threads: Count | Literal["auto"] = "auto"
    compile: bool = False
    activation_checkpointing: bool = False

    def resolve_precision(self, accelerator: str, parameters: int) -> str:
        """The Lightning precision to train with."""
        if self.precision != "auto":
            return self.precision
        worth_it = accelerator != "cpu" or parameters >= 2_000_000
        return "bf16-mixed" if worth_it and _bfloat16_in_hardware(accelerator) else "32-true"

    def resolve_threads(self, ranks_here: int) -> int:
        """Share the cores this process may use among the ranks on this machine, and set torch to it."""
        available = cores()
        threads = max(1, available // ranks_here) if self.threads == "auto" else self.threads
        torch.set_num_threads(threads)
        return threads


ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def accelerator_name(accelerator: str) -> str:
    """`auto` as what it will be here: cuda, mps or cpu."""
    if accelerator not in ACCELERATORS:
        raise ValueError(f"trainer.accelerator={accelerator}: there is {', '.join(ACCELERATORS)}")
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
    """Ranks on one machine for Lightning's `devices` setting; a list names them."""
    if isinstance(devices, list):
        return len(devices)
    if devices not in ("auto", -1, "-1"):
        if not str(devices).isdigit() or int(devices) < 1:
            raise ValueError(f"trainer.devices={devices}: give a number of at least 1, a list of numbers, or auto")
        return int(devices)
    return torch.cuda.device_count() if accelerator_name(accelerator) == "cuda" else 1
