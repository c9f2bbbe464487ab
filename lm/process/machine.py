"""The machine that a process runs on, as far as it is known without loading torch."""

import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from lm.process import windows
from lm.process.limits import cores

try:
    import resource
except ImportError:  # Windows
    resource = None

CPUINFO = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, Any]:
    """Return the processor, the cores that this process may use, and the GPUs that torch has in use."""
    gpus = _gpu_names()
    return {"processor": _processor(), "cores": cores(), **({"gpus": gpus} if gpus else {})}


def processor_name() -> str:
    """The name of the processor, as the system has it; that of its architecture where it has none."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.processor() or platform.machine()


_processor = cache(processor_name)


def peak_memory() -> int:
    """The most bytes of memory that this process has held at once; 0 where the system does not say."""
    if resource is None:
        return windows.peak_memory()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _gpu_names() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
