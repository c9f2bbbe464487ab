"""What Windows says of memory: of the machine, and of this process. Elsewhere nothing is asked."""

import ctypes
from ctypes import c_size_t, c_uint32, c_uint64, c_void_p


class _Machine(ctypes.Structure):
    """MEMORYSTATUSEX."""

    _fields_ = (
        ("length", c_uint32),
        ("load", c_uint32),
        *((name, c_uint64) for name in ("total", "free", "pages", "free_pages", "virtual", "free_virtual", "extended")),
    )


class _Process(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS."""

    _fields_ = (
        ("length", c_uint32),
        ("faults", c_uint32),
        ("peak", c_size_t),
        ("resident", c_size_t),
        *((f"other_{number}", c_size_t) for number in range(6)),
    )


def memory() -> tuple[int, ...]:
    """Return the bytes of memory of the machine and those that are free; nothing on other systems."""
    kernel = _kernel()
    state = _Machine(length=ctypes.sizeof(_Machine))
    return (state.total, state.free) if kernel and kernel.GlobalMemoryStatusEx(ctypes.byref(state)) else ()


def peak_memory() -> int:
    """Return the most bytes that this process has held at once; 0 on other systems."""
    kernel = _kernel()
    state = _Process(length=ctypes.sizeof(_Process))
    if not kernel:
        return 0
    kernel.GetCurrentProcess.restype = c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = [c_void_p, c_void_p, c_uint32]
    known = kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(state), state.length)
    return state.peak if known else 0


def _kernel() -> ctypes.CDLL | None:
    return ctypes.WinDLL("kernel32") if "WinDLL" in dir(ctypes) else None
