"""What this process may use of its machine: cores and memory, as affinity, control groups and Slurm limit them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from lm.process import windows

GROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MEMINFO, STATM = Path("/proc/meminfo"), Path("/proc/self/statm")


def cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    The least of the cores of its affinity mask (taskset, cpuset), the quota of its control groups (a container's
    `--cpus`), and what Slurm gives each task (`--cpus-per-task`), which Slurm need not enforce.
    """
    allowed = len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1
    return max(1, int(min([allowed, *_quotas(), *_slurm_share()])))


def started_as_one_of_several_tasks() -> bool:
    """Return whether srun has started this process beside others, so that Slurm's share is that of this rank."""
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS") or os.environ.get("SLURM_NTASKS") or "1"
    return "SLURM_PROCID" in os.environ and tasks.isdigit() and int(tasks) > 1 and bool(_slurm_share())


def omp_threads(environment: Mapping[str, str] = os.environ) -> int | None:
    """Return OMP_NUM_THREADS, of nested levels the outermost; None where it is not set or not a number."""
    first = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) else None


def available_memory() -> int | None:
    """Return the bytes that this process can still allocate without swapping; None where the system does not say.

    The minimum of the memory that the system has free or can free and the memory left below the control group limits.
    """
    free = [int(line.split()[1]) * 1024 for line in _read(MEMINFO).splitlines() if line.startswith("MemAvailable:")]
    free = free or [*windows.memory()[1:]]
    free += [limit - used for limit, used in _memory_limits()]
    return max(0, min(free)) if free else None


def total_memory() -> int:
    """Return the bytes of memory of the machine."""
    if "sysconf" in dir(os):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return next(iter(windows.memory()), 0)


def resident_memory() -> int:
    """Return the bytes of memory that this process holds: before a model is built, mostly of libraries."""
    pages = _read(STATM).split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if pages else 0


def _quotas() -> Iterator[float]:
    """The CPU quotas of the control groups around this process, in cores."""
    for group in _groups(""):
        quota, _, period = _read(group / "cpu.max").strip().partition(" ")
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)
    for group in _groups("cpu"):
        quota, period = (_read(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit():  # -1 is no limit
            yield int(quota) / int(period)


def _slurm_share() -> list[int]:
    share = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return [int(share)] if share.isdigit() and int(share) else []


def _memory_limits() -> Iterator[tuple[int, int]]:
    """Limit and use of each control group around this process that has a limit; page cache can be freed."""
    for controller, limit_name, use_name, cache in (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for group in _groups(controller):
            limit, used = (_read(group / name).strip() for name in (limit_name, use_name))
            if limit.isdigit() and used.isdigit():
                counts = dict(line.split(" ", 1) for line in _read(group / "memory.stat").splitlines() if " " in line)
                yield int(limit), int(used) - int(counts.get(cache, 0))


def _groups(controller: str) -> Iterator[Path]:
    """The control groups around this process, innermost first: of version 1 for a `controller`, of version 2 for "".

    In a container the path may be that of the host; then only the root of the mount exists.
    """
    for line in _read(MEMBERSHIP).splitlines():
        _, _, rest = line.partition(":")
        names, _, place = rest.partition(":")
        if (controller in names.split(",")) if controller else not names:
            for root in (GROUPS / names, GROUPS / controller, *([GROUPS / "unified"] if not controller else [])):
                inner = root / place.strip("/")
                if root.is_dir():
                    yield from [each for each in (inner, *inner.parents) if each == root or root in each.parents]


def _read(path: Path) -> str:
    """The content of a file of the system; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, UnicodeDecodeError):
        return ""
