"""Shards are read in full when a file may have changed, and only then."""

import json
import os

import pytest

from lm.corpus import Shards, verification
from lm.files import hash_file
from support.training_runs import make_corpus


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the shards whose bytes are read."""
    names: list[str] = []

    def counted(path) -> str:
        names.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(verification, "hash_file", counted)
    return names


@pytest.fixture
def shard(tmp_path, reads):
    """A shard of a corpus that was checked in full."""
    path = make_corpus(tmp_path / "corpus")
    Shards(path).verify("auto")
    assert reads
    reads.clear()
    return next(path.glob("train-*.bin"))


def test_unchanged_shards_are_not_read_again(shard, reads):
    Shards(shard.parent).verify("auto")
    assert reads == []
    Shards(shard.parent).verify("always")
    assert shard.name in reads


def test_each_split_is_checked_once(shard, reads):
    for _ in range(2):
        Shards(shard.parent, "validation").verify("auto")
        Shards(shard.parent).verify("auto")
    assert reads
    assert all(name.startswith("validation") for name in reads)
    assert len(reads) == len(set(reads))


def test_a_touched_shard_is_read_again(shard, reads):
    os.utime(shard)
    Shards(shard.parent).verify("auto")
    assert shard.name in reads
    reads.clear()
    Shards(shard.parent).verify("auto")
    assert reads == []


@pytest.mark.parametrize("restore", [False, True])
def test_a_changed_byte_is_found_even_if_its_time_is_set_back(shard, restore):
    before, content = shard.stat(), bytearray(shard.read_bytes())
    content[0] ^= 1
    shard.write_bytes(content)
    if restore:
        os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert shard.stat().st_mtime_ns == before.st_mtime_ns
    for verify in ("auto", "auto", "always"):
        with pytest.raises(ValueError, match=rf"{shard.name} is damaged \(it is not what was written\)"):
            Shards(shard.parent).verify(verify)
    Shards(shard.parent).verify("never")


def test_after_a_restart_of_the_machine_shards_are_read_again(shard, reads, tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "BOOT", tmp_path / "boot_id")
    (tmp_path / "boot_id").write_text("another boot\n")
    Shards(shard.parent).verify("auto")
    assert shard.name in reads


def test_the_check_of_another_machine_does_not_count(shard, reads, monkeypatch):
    monkeypatch.setattr(verification.socket, "gethostname", lambda: "another")
    Shards(shard.parent).verify("auto")
    assert shard.name in reads
    monkeypatch.undo()
    assert len(json.loads((shard.parent / ".verified.json").read_text())) == 2


@pytest.mark.parametrize("record", [b"", b"[1, 2]", b'{"train'])
def test_a_damaged_record_counts_as_none(shard, reads, record):
    (shard.parent / ".verified.json").write_bytes(record)
    Shards(shard.parent).verify("auto")
    assert shard.name in reads


def test_a_corpus_that_is_not_writable_is_read_in_full_each_time(tmp_path, reads, monkeypatch):
    def refuse(path, data):
        raise PermissionError(13, "Permission denied", str(path))

    path = make_corpus(tmp_path / "corpus")
    monkeypatch.setattr(verification, "write_atomically", refuse)
    for _ in range(2):
        Shards(path).verify("auto")
    assert len(reads) == 2 * len(set(reads))
    assert not list(path.glob(".*"))
