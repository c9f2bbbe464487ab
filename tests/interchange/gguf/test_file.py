"""A GGUF file is whole or absent, and holds each weight as it was asked for."""

import numpy as np
import pytest
import torch

from lm.interchange.gguf.file import write_gguf

gguf = pytest.importorskip("gguf", reason="needs the package gguf: pip install 'lightning-lm[gguf]'")
FIELDS = {
    "general.architecture": "llama",
    "llama.block_count": 1,
    "llama.rope.freq_base": 1e4,
    "a.list": ["x", "y"],
    "a.flag": True,
}


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "token_embd.weight": torch.randn(5, 64),
        "blk.0.attn_q.weight": torch.randn(64, 32).T,  # not contiguous
        "blk.0.ffn_norm.weight": torch.randn(64, dtype=torch.bfloat16),
        "blk.0.attn_k.weight": torch.randn(3, 40),
        "blk.0.ffn_gate_inp.weight": torch.randn(4, 64),
        "blk.0.ffn_up_exps.weight": [torch.randn(2, 32), torch.randn(2, 32)],
    }


def numbers(weight) -> np.ndarray:
    return (weight if isinstance(weight, torch.Tensor) else torch.stack(weight)).float().numpy()


# kind → how far a number may be off, as a share of the largest of its matrix
NEAR = {"f32": 0.0, "f16": 2**-11, "bf16": 2**-8, "q8_0": 1 / 250, "q4_0": 1 / 8}


@pytest.mark.parametrize("kind", NEAR)
def test_the_formats_own_library_reads_the_weights_and_fields(kind, tmp_path):
    notes = write_gguf(tmp_path / "x.gguf", FIELDS, weights(), kind=kind)
    reader = gguf.GGUFReader(tmp_path / "x.gguf")
    assert [each.name for each in reader.tensors] == [*weights()]
    stored = {each.name: each.tensor_type.name.lower() for each in reader.tensors}
    quantised = kind.startswith("q")
    assert stored == {
        "token_embd.weight": "q8_0" if quantised else kind,  # which loses most in 4 bits
        "blk.0.attn_q.weight": kind,
        "blk.0.ffn_norm.weight": "f32",
        "blk.0.attn_k.weight": "f16" if quantised else kind,  # its rows are no multiple of 32
        "blk.0.ffn_gate_inp.weight": "f32",
        "blk.0.ffn_up_exps.weight": kind,
    }
    for each in reader.tensors:
        read = gguf.dequantize(each.data, each.tensor_type)
        wanted = numbers(weights()[each.name])
        assert [*each.shape] == [*wanted.shape][::-1]
        assert np.abs(read - wanted).max() <= NEAR[kind] * np.abs(wanted).max(), each.name
        assert each.data_offset % 32 == 0
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert FIELDS.items() <= fields.items()
    assert fields["general.file_type"] == {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2}[kind]
    assert notes == (["1 matrix is stored in f16: its rows are no multiple of 32 numbers"] if quantised else [])


def test_a_number_that_f16_cannot_hold_is_refused_and_leaves_no_file(tmp_path):
    large = {"blk.0.attn_q.weight": torch.tensor([[1.0, -70000.0]])}
    with pytest.raises(ValueError, match=r"blk.0.attn_q.weight has numbers above 65504, .*: set format.kind=bf16"):
        write_gguf(tmp_path / "x.gguf", FIELDS, large, kind="f16")
    assert not [*tmp_path.iterdir()]
    write_gguf(tmp_path / "x.gguf", FIELDS, large, kind="bf16")
    assert [each.name for each in tmp_path.iterdir()] == ["x.gguf"]


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(ValueError, match=r"format=gguf needs the package gguf: pip install 'lightning-lm\[gguf\]'"):
        write_gguf(tmp_path / "x.gguf", FIELDS, {}, kind="f16")
