"""The machine and the process are described."""

import pytest

from lm.process import machine


def test_a_processor_has_a_name_on_every_system(tmp_path, monkeypatch: pytest.MonkeyPatch):
    assert machine.processor_name()
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nmodel name\t: Fast 9000 @ 3.0 GHz\nmodel name\t: Fast 9000 @ 3.0 GHz\n")
    monkeypatch.setattr(machine, "CPUINFO", file)
    assert machine.processor_name() == "Fast 9000 @ 3.0 GHz"
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "missing")
    assert machine.processor_name()


def test_peak_memory_is_that_of_the_process_in_bytes():
    before = machine.peak_memory()
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert 2**20 < before <= machine.peak_memory() < 2**40


def test_a_machine_without_gpus_names_none():
    assert machine.describe_machine().keys() == {"processor", "cores"}
