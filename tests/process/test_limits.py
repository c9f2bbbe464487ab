"""Cores and memory are what affinity, control groups and Slurm leave this process."""

import os

import pytest

from lm.process import limits


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups in a folder: `groups(membership, {file: content})`, on a machine of 8 cores and 16 GB."""

    def make(membership: str, files: dict[str, str]) -> None:
        for name, content in files.items():
            (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "groups" / name).write_text(content + "\n")
        (tmp_path / "membership").write_text(membership)

    (tmp_path / "meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable:   8000000 kB\n")
    monkeypatch.setattr(limits, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(limits, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(limits, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    return make


V1 = "5:memory:/docker/7\n4:cpu,cpuacct:/docker/7\n0::/\n"


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {}, 8),
        ("0::/\n", {"cpu.max": "max 100000"}, 8),
        ("0::/\n", {"cpu.max": "350000 100000"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),  # an outer group limits too
        ("0::/host/7\n", {"cpu.max": "400000 100000"}, 4),  # in a container, which does not see the path of the host
        (
            V1,
            {"cpu,cpuacct/docker/7/cpu.cfs_quota_us": "300000", "cpu,cpuacct/docker/7/cpu.cfs_period_us": "100000"},
            3,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "50000"}, 5),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "50000"}, 8),
    ],
)
def test_quotas_of_control_groups_limit_the_cores(membership, files, expected, groups):
    groups(membership, files)
    assert limits.cores() == expected


def test_slurm_and_affinity_limit_the_cores(groups, monkeypatch):
    groups("0::/\n", {"cpu.max": "600000 100000"})
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    assert limits.cores() == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5}, raising=False)
    assert limits.cores() == 2


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {}, 8_000_000 * 1024),
        ("0::/\n", {"memory.max": "max", "memory.current": "5"}, 8_000_000 * 1024),
        ("0::/\n", {"memory.max": "3000", "memory.current": "900", "memory.stat": "anon 1\ninactive_file 400"}, 2500),
        ("0::/a/b\n", {"a/memory.max": "100", "a/memory.current": "300"}, 0),
        (V1, {"memory/memory.limit_in_bytes": "2000", "memory/memory.usage_in_bytes": "500"}, 1500),
    ],
)
def test_memory_is_what_the_system_and_the_control_groups_leave(membership, files, expected, groups):
    groups(membership, files)
    assert limits.available_memory() == expected


def test_a_system_that_does_not_say_has_unknown_memory(groups, tmp_path):
    (tmp_path / "meminfo").unlink()
    assert limits.available_memory() is None
