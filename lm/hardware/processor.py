"""What this machine's processor is, and what of it decides the speed of training."""

import platform
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


def processor_name() -> str:
    """The name of the processor, as the system has it; that of its architecture where it has none."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.processor() or platform.machine()


def instruction_sets() -> str:
    """The widest vector instructions that torch uses, and whether the processor computes in bfloat16."""
    sets = [torch.backends.cpu.get_cpu_capability()]
    if torch.cpu._is_avx512_bf16_supported():
        sets.append("AVX512-BF16")
    if torch.cpu._is_amx_tile_supported():
        sets.append("AMX")
    return ", ".join(sets) + ("" if len(sets) > 1 else ", no bfloat16")
