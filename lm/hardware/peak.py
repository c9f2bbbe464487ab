"""The most floating-point operations a second that a device can do, by which the speed of training is judged.

A GPU has a datasheet. A processor is measured, once per machine, precision and number of threads, and the result kept.
"""

import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lm.files import write_atomically
from lm.hardware.datasheets import DATASHEETS, measure_machine
from lm.process.machine import processor_name

CACHE = "LM_CACHE"  # environment variable: the directory of measurements
SECONDS = 0.3  # of a measurement


@dataclass(frozen=True)
class Peak:
    """What one device can do at one precision.

    Args:
        flops: Floating-point operations a second, in dense matrix products.
        source: Where the number is from, for a line to the user.
    """

    flops: float
    source: str


def find_peak(accelerator: str, precision: str, *, threads: int, measure: bool = False) -> Peak | None:
    """Return the peak of a device of this machine; None where it is not known and not to be measured.

    Args:
        accelerator: cuda, mps or cpu.
        precision: Lightning's name of the precision.
        threads: Threads of a process on a CPU.
        measure: Whether to measure now, in less than a second, and keep the number.
    """
    if measure:
        machine = measure_machine(accelerator, precision, seconds=SECONDS)
        return _keep(accelerator, precision, threads, Peak(machine.flops, machine.source))
    return _read(_kept().get(_key(accelerator, precision, threads))) or _datasheet(accelerator, precision)


def _read(kept: Any) -> Peak | None:
    try:
        return Peak(float(kept["flops"]), str(kept["source"]))
    except (TypeError, KeyError, ValueError):
        return None


def _datasheet(accelerator: str, precision: str) -> Peak | None:
    if accelerator != "cuda":
        return None
    name = torch.cuda.get_device_name()
    sheet = next((sheet.machine(each, precision) for each, sheet in DATASHEETS.items() if each in name), None)
    return None if sheet is None else Peak(sheet.flops, sheet.source)


def _key(accelerator: str, precision: str, threads: int) -> str:
    if accelerator == "cuda":
        return f"{torch.cuda.get_device_name()}, {precision}"
    return f"{platform.node()}, {processor_name()}, {accelerator}, {precision}, {threads} threads"


def _keep(accelerator: str, precision: str, threads: int, peak: Peak) -> Peak:
    """Keep a measurement, or what was measured before if that was faster: other programs only slow it down."""
    kept, key = _kept(), _key(accelerator, precision, threads)
    before = _read(kept.get(key))
    if before and before.flops > peak.flops:
        return before
    with suppress(OSError):  # no home to write to: it is measured again
        write_atomically(_file(), json.dumps({**kept, key: asdict(peak)}, indent=1))
    return peak


def _kept() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _file() -> Path:
    """The file of measurements: in LM_CACHE, else where the system has programs keep what can be made again."""
    usual = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get(CACHE) or Path(usual, "lm")).expanduser() / "speeds.json"
