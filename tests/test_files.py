import json
import os
from pathlib import Path

import pytest

from lm.files import atomic_path, hash_bytes, hash_file, hash_json, report_damage, write_atomically


def test_a_file_is_written_completely_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "deep" / "a.json", "ü")
    assert (tmp_path / "deep" / "a.json").read_text(encoding="utf-8") == "ü"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.json"]


def test_a_failing_writer_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_write_cut_before_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.bin"
    write_atomically(target, b"old")

    def cut(*_: object) -> None:
        raise OSError("power")

    monkeypatch.setattr(os, "replace", cut)
    with pytest.raises(OSError, match="power"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"


def test_content_is_synced_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("sync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (steps.append("rename"), replace(*paths)))
    write_atomically(tmp_path / "a", b"x")
    assert steps == ["sync", "rename", "sync"]  # the file, its name, the directory


def test_a_temporary_path_keeps_the_file_extension(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "shard.npz") as temporary:
        assert temporary.suffix == ".npz"
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"")


def test_a_file_hashes_like_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000  # more than one block
    (tmp_path / "a").write_bytes(data)
    assert hash_file(tmp_path / "a") == hash_bytes(data)
    assert len(hash_bytes(data)) == 32


def test_the_order_of_keys_does_not_change_a_hash_but_values_do() -> None:
    assert hash_json({"a": 1, "b": [1, 2]}) == hash_json({"b": [1, 2], "a": 1})
    assert hash_json({"a": 1, "b": [1, 2]}) != hash_json({"a": 1, "b": [2, 1]})


def test_damage_is_reported_with_the_path_and_the_remedy(tmp_path: Path) -> None:
    def read(name: str) -> None:
        with report_damage(tmp_path / name, "make it again"):
            json.loads((tmp_path / name).read_text())

    (tmp_path / "half.json").write_text('{"a":')
    with pytest.raises(ValueError, match=r"half\.json is damaged \(Expecting value.*\): make it again"):
        read("half.json")
    with pytest.raises(ValueError, match=r"gone\.json: No such file or directory: make it again"):
        read("gone.json")
