"""What we write is what the format's own library reads."""

import pytest
import torch
from safetensors.torch import load_file

from lm.checkpoint.safetensors import TYPES, write_safetensors


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


def test_what_the_format_does_not_have_leaves_no_file(tmp_path):
    with pytest.raises(KeyError):
        write_safetensors(tmp_path / "x.safetensors", {"complex": torch.zeros(1, dtype=torch.complex64)})
    assert not [*tmp_path.iterdir()]
