"""Look at this machine and this installation: what is there, what is wrong, and what `auto` chooses."""

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from packaging.requirements import Requirement

from lm.hardware import Compute
from lm.hardware.compute import accelerator_name, count_devices
from lm.hardware.peak import find_peak
from lm.hardware.processor import instruction_sets
from lm.process import distribution
from lm.process.limits import available_memory, cores, omp_threads
from lm.process.machine import processor_name
from lm.progress import Console
from lm.report.table import scaled

KNOWN_BAD = {  # whatever is required
    ("lightning", "2.6.2"): "a compromised release, which stole credentials when it was imported",
    ("lightning", "2.6.3"): "a compromised release, which stole credentials when it was imported",
}
LEAST_DISK, LEAST_MEMORY = 2e9, 2e9  # bytes that the default pipeline needs, with room


def doctor(compute: Compute, root: str = "outputs", measure: bool = True) -> dict[str, Any]:
    """Print what this machine has and what a run on it would use.

    Args:
        compute: What a run would be given.
        root: Directory of the runs, whose disk is looked at.
        measure: Whether matrix products are timed, for a second, and kept for `compute.peak_flops=auto`.

    Returns:
        What was found, by topic.

    Raises:
        ValueError: Something would fail, or is known to be bad; each with its remedy.
    """
    console = Console("doctor")
    devices = _devices()
    found = {
        "versions": _versions(),
        "extras": _extras(),
        "processor": f"{processor_name()}, {cores()} cores for this process, {instruction_sets()}",
        "speed": _speed(compute) if measure else "",
        "memory": _memory(),
        "disk": f"{scaled(_free(root), 'B')} free for {root}",
        "devices": devices,
        "auto": [*_choices(compute)],
        "cluster": _cluster(),
    }
    for topic, lines in found.items():
        for number, line in enumerate([lines] if isinstance(lines, str) else lines):
            if line:
                console.line(f"{'' if number else topic:<11}{line}")
    problems = [*_problems(root)]
    if problems:
        raise ValueError("\n".join(problems))
    console.line("nothing is wrong")
    return found


def _versions() -> list[str]:
    core = [Requirement(each).name for each in distribution.requirements()[""]]
    installed = [f"{name} {found}" for name in core if (found := _version(name))]
    return [
        f"lm {distribution.version()}, Python {platform.python_version()}, {platform.platform()}",
        *_wrapped(installed),
    ]


def _extras() -> list[str]:
    """The extras that are installed, and those that are not, without those of the tests."""
    groups = {extra: those for extra, those in distribution.requirements().items() if extra and extra != "test"}
    whole = [extra for extra, those in groups.items() if not any(map(_fault, those))]
    lines = [f"installed: {', '.join(whole) or 'none'}"]
    if missing := [extra for extra in groups if extra not in whole]:
        lines.append(f"not installed: {', '.join(missing)}; {distribution.install_command(missing[0])} adds one")
    return lines


def _speed(compute: Compute) -> str:
    """Matrix products at each precision, on the device that `auto` takes; kept, for runs to be judged by."""
    threads, accelerator = compute.resolve_threads(1), accelerator_name("auto")
    speeds = (find_peak(accelerator, each, threads=threads, measure=True) for each in ("32-true", "bf16-mixed"))
    return ", ".join(speed.source for speed in speeds)


def _memory() -> str:
    available = available_memory()
    return f"{scaled(available, 'B')} available" if available is not None else "the system does not say"


def _devices() -> list[str]:
    if torch.cuda.is_available():
        gpus = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        return [f"{gpu.name}, {scaled(gpu.total_memory, 'B')}, CUDA {torch.version.cuda}" for gpu in gpus]
    if torch.backends.mps.is_available():
        return ["the GPU of this Mac (mps)"]
    return [f"no GPU is visible to torch {torch.__version__}"]


def _choices(compute: Compute) -> Iterator[str]:
    """What `auto` chooses, and why."""
    accelerator = accelerator_name("auto")
    count = count_devices(accelerator, "auto")
    yield f"trainer.accelerator: {accelerator}, {count} {'process' if count == 1 else 'processes, by DDP'}"
    small, large = (compute.resolve_precision(accelerator, size) for size in (1_000_000, 2_000_000))
    if small == large:
        why = "set" if compute.precision != "auto" else "no bfloat16 here" if small == "32-true" else "it has bfloat16"
        yield f"compute.precision: {small}, {why}"
    else:
        yield f"compute.precision: {large} from 2 M parameters on, {small} below, where conversions cost more"
    threads = compute.resolve_threads(1)
    why = "set" if compute.threads != "auto" else "OMP_NUM_THREADS" if omp_threads() else "all cores of this process"
    yield f"compute.threads: {threads}, {why}"


def _cluster() -> str:
    job = os.environ.get("SLURM_JOB_ID")
    if job:
        return f"job {job} of Slurm"
    return "sbatch is there: hydra/launcher=slurm" if shutil.which("sbatch") else "no Slurm"


def _problems(root: str) -> Iterator[str]:
    for (name, bad), why in KNOWN_BAD.items():
        if _version(name) == bad:
            yield f"{name} {bad} is {why}: pip uninstall {name}, change your keys, and install {name} again"
    for each in distribution.requirements()[""]:
        if fault := _fault(each):
            yield f"{fault}: pip install '{each}'"
    if _free(root) < LEAST_DISK:
        yield f"{scaled(_free(root), 'B')} free for root={root}: make room, or set run.root to another disk"
    available = available_memory()
    if available is not None and available < LEAST_MEMORY:
        yield f"{scaled(available, 'B')} of memory available: end other programs"


def _fault(requirement: str) -> str:
    """Why what is installed does not meet a requirement; empty if it does, or if it is not for this platform."""
    wanted = Requirement(requirement)
    if wanted.marker is not None and not wanted.marker.evaluate():
        return ""
    found = _version(wanted.name)
    if not found:
        return f"{wanted.name} is not installed"
    return (
        "" if wanted.specifier.contains(found, prereleases=True) else f"{wanted.name} {found} is not {wanted.specifier}"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _free(root: str) -> int:
    """The free bytes of the disk on which a directory is, or will be."""
    place = Path(root).absolute()
    return shutil.disk_usage(next(each for each in (place, *place.parents) if each.exists())).free


def _wrapped(words: list[str], count: int = 6) -> list[str]:
    return [", ".join(words[start : start + count]) for start in range(0, len(words), count)]
