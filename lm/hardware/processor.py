"""What decides the speed of training on this machine's processor."""

import torch


def instruction_sets() -> str:
    """The widest vector instructions that torch uses, and whether the processor computes in bfloat16."""
    sets = [torch.backends.cpu.get_cpu_capability()]
    if torch.cpu._is_avx512_bf16_supported():
        sets.append("AVX512-BF16")
    if torch.cpu._is_amx_tile_supported():
        sets.append("AMX")
    return ", ".join(sets) + ("" if len(sets) > 1 else ", no bfloat16")
