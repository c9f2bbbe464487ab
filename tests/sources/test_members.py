"""A file that cannot be decompressed is named, whatever its format."""

import gzip
import io
import tarfile
import zipfile

import pytest
import pyzstd

from lm.conversation.sources.records import read_records
from lm.sources import JsonlSource, TextSource

TEXT = b'{"text": "some words"}\n' * 2000


def packed(ending: str) -> bytes:
    buffer = io.BytesIO()
    match ending:
        case "gz":
            return gzip.compress(TEXT)
        case "zst":
            return pyzstd.compress(TEXT)
        case "zip":
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a.txt", TEXT)
        case "tar.gz":
            with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
                member = tarfile.TarInfo("a.txt")
                member.size = len(TEXT)
                archive.addfile(member, io.BytesIO(TEXT))
    return buffer.getvalue()


READERS = {
    "text": lambda path: list(TextSource(str(path))),
    "jsonl": lambda path: list(JsonlSource(str(path))),
    "records": lambda path: list(read_records(path)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("ending", ["gz", "zst", "zip", "tar.gz"])
def test_intact_files_are_decompressed_and_damaged_ones_named(ending, reader, tmp_path):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(packed(ending))
    assert len(READERS[reader](path)) in (1, 2000)
    for damaged in (b"no such thing", packed(ending)[: len(packed(ending)) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"a\.{ending} is damaged .*: download or pack it again"):
            READERS[reader](path)
