"""What we write is what the format's own library reads."""

import torch
from safetensors.torch import load_file

from lm.checkpoint.safetensors import write_safetensors

TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.int64)


def test_the_formats_own_library_reads_the_same_tensors(tmp_path):
    tensors = {
        str(dtype): torch.arange(12).reshape(3, 4).to(dtype).T  # not contiguous
        for dtype in TYPES
    } | {"a number": torch.tensor(1.5), "nothing": torch.zeros(0, 3)}
    write_safetensors(tmp_path / "x.safetensors", tensors)
    found = load_file(tmp_path / "x.safetensors")
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


def test_shared_and_turned_tensors_are_written_as_they_are(tmp_path):
    rows = torch.arange(6.0).reshape(2, 3)
    write_safetensors(tmp_path / "x.safetensors", {"a": rows, "b": rows, "c": rows.t(), "d": rows[1]})
    found = load_file(tmp_path / "x.safetensors")
    assert torch.equal(found["b"], rows)
    assert torch.equal(found["c"], rows.t())
    assert torch.equal(found["d"], rows[1])


def test_a_file_is_readable_by_whom_other_files_are(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", {"a": torch.zeros(1)})
    (tmp_path / "other").touch()
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
