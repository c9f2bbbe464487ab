"""The machine: precision, threads and devices, and the datasheets of known GPUs."""

from lm.hardware.compute import Compute

__all__ = ["Compute"]
