"""The processor is named, with what it computes in."""

import pytest
import torch

from lm.hardware import processor


def test_a_processor_has_a_name_on_every_system(tmp_path, monkeypatch: pytest.MonkeyPatch):
    assert processor.processor_name()
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nmodel name\t: Fast 9000 @ 3.0 GHz\nmodel name\t: Fast 9000 @ 3.0 GHz\n")
    monkeypatch.setattr(processor, "CPUINFO", file)
    assert processor.processor_name() == "Fast 9000 @ 3.0 GHz"
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    assert processor.processor_name()


def test_bfloat16_is_named_or_its_absence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert "AVX512-BF16" in processor.instruction_sets()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert processor.instruction_sets().endswith("no bfloat16")
