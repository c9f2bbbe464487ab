"""Speed and memory of devices, by datasheet or measured, to estimate a run on machines at hand and others."""

from dataclasses import dataclass
from time import perf_counter

import torch

from lm.process.limits import total_memory

GPU_UTILIZATION = 0.4  # assumed; well-tuned runs reach 0.3 to 0.55 (Chowdhery et al. 2022, arXiv:2204.02311, table 3)
CPU_UTILIZATION = 0.5  # assumed; norms, softmax and the optimizer take the rest


@dataclass(frozen=True)
class Machine:
    """One device at one precision."""

    name: str
    flops: float  # per second, in dense matrix products
    memory: float  # bytes
    utilization: float  # share of `flops` that training is assumed to reach (MFU)
    source: str  # of `flops`, for a line to the user


@dataclass(frozen=True)
class Datasheet:
    """NVIDIA's numbers for a GPU, dense: fp32 without TF32, which torch leaves off; fp64 tensor cores are as fast."""

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


def measure_machine(accelerator: str, precision: str, *, seconds: float = 0.1) -> Machine:
    """Measure this machine: the fastest of the matrix products that fit into `seconds`, at the current threads.

    The first product, in which libraries initialize, does not count.
    """
    dtype = {"bf16": torch.bfloat16, "64": torch.float64}.get(precision.split("-")[0], torch.float32)
    gpu = accelerator != "cpu"
    size = 8192 if gpu else 1024
    left, right = torch.ones(2, size, size, dtype=dtype, device=accelerator)
    (left @ right)[0, 0].item()
    best, started_at = float("inf"), perf_counter()
    while best == float("inf") or perf_counter() - started_at < seconds:
        before = perf_counter()
        (left @ right)[0, 0].item()  # waits for the device
        best = min(best, perf_counter() - before)
    flops = 2 * size**3 / best
    memory = torch.cuda.get_device_properties(0).total_memory if accelerator == "cuda" else total_memory()
    kind = str(dtype).removeprefix("torch.")
    source = f"{flops / 1e9:.0f} GFLOP/s {kind} (measured" + (")" if gpu else f", {torch.get_num_threads()} threads)")
    return Machine("this machine", flops, memory, GPU_UTILIZATION if gpu else CPU_UTILIZATION, source)
