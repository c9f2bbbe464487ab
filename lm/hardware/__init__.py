"""The machine: precision, threads and devices, and the datasheets of known GPUs.

`Compute` is what a config sets; `lm.hardware.datasheets` compares this machine with known GPUs.
"""

from lm.hardware.compute import Compute

__all__ = ["Compute"]
