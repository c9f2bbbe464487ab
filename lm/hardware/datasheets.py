"""What devices can do, by their datasheets or measured here: the price of a run on machines that one may not have."""

import os
from dataclasses import dataclass
from time import perf_counter

import torch

GPU_UTILIZATION = 0.4  # assumed; well-tuned runs reach 0.3 to 0.55 (Chowdhery et al. 2022, arXiv:2204.02311, table 3)
CPU_UTILIZATION = 0.5  # assumed; norms, softmax and the optimizer take the rest


@dataclass(frozen=True)
class Machine:
    """A device: its dense matrix products a second at the precision in question, times two; its memory in bytes."""

    name: str
    flops: float
    memory: float
    utilization: float  # share of `flops` that training the model is assumed to get (MFU)
    source: str


@dataclass(frozen=True)
class Datasheet:
    """What NVIDIA publishes of a GPU: dense, without sparsity. fp32 without TF32, which torch leaves off; fp64 by its
    tensor cores is as fast.
    """

    bfloat16: float
    full: float  # fp32, or fp64
    memory: float

    def machine(self, name: str, precision: str) -> Machine:
        fast = precision.startswith("bf16")
        flops, kind = (self.bfloat16, "bf16") if fast else (self.full, precision)
        return Machine(name, flops, self.memory, GPU_UTILIZATION, f"{flops / 1e12:g} TFLOP/s dense {kind} (datasheet)")


DATASHEETS = {  # the SXM variants
    "A100": Datasheet(bfloat16=312e12, full=19.5e12, memory=80e9),
    "H100": Datasheet(bfloat16=989e12, full=67e12, memory=80e9),
    "H200": Datasheet(bfloat16=989e12, full=67e12, memory=141e9),
}


def measured(accelerator: str, precision: str, *, seconds: float = 0.1) -> Machine:
    """This machine's device: the fastest of the matrix products that fit into `seconds`, at the threads set.

    The first, by which libraries make themselves ready, does not count.
    """
    dtype = {"bf16": torch.bfloat16, "64": torch.float64}.get(precision.split("-")[0], torch.float32)
    gpu = accelerator != "cpu"
    size = 8192 if gpu else 1024
    left, right = torch.ones(2, size, size, dtype=dtype, device=accelerator)
    (left @ right)[0, 0].item()
    best, began = float("inf"), perf_counter()
    while best == float("inf") or perf_counter() - began < seconds:
        before = perf_counter()
        (left @ right)[0, 0].item()  # waits for the device
        best = min(best, perf_counter() - before)
    flops = 2 * size**3 / best
    memory = torch.cuda.get_device_properties(0).total_memory if accelerator == "cuda" else _memory()
    kind = str(dtype).removeprefix("torch.")
    told = f"{flops / 1e9:.0f} GFLOP/s {kind} (measured" + (")" if gpu else f", {torch.get_num_threads()} threads)")
    return Machine("this machine", flops, memory, GPU_UTILIZATION if gpu else CPU_UTILIZATION, told)


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
