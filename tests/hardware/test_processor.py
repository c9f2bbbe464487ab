"""What the processor computes in is named."""

import pytest
import torch

from lm.hardware import processor


def test_bfloat16_is_named_or_its_absence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert "AVX512-BF16" in processor.instruction_sets()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert processor.instruction_sets().endswith("no bfloat16")
