"""Pieces of a corpus on disk: documents, the outcomes of steps, and the keys of documents.

A file is written under a temporary name and renamed, so it is there whole or not at all, even if the process is killed.
A power cut may leave files without content; these count as absent. Every file has checksums: one that is not what was
written is refused by name, with what to do.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from secrets import token_hex
from typing import Any
from zlib import crc32

import numpy as np
import pyzstd

from lm.corpus import Document, Dropped
from lm.files import atomic_path, report_damage, write_atomically
from lm.filtering.contract import Deduplicator
from lm.filtering.traces import Outcome, compute_keys

REMEDY = "remove the directory of this file to rebuild it"
FAST = {pyzstd.CParameter.compressionLevel: 1, pyzstd.CParameter.checksumFlag: 1}
ENTRY = np.dtype([("index", "<u4"), ("priority", "<f8")])


def is_written(path: Path) -> bool:
    """Whether a file exists and has content."""
    return path.is_file() and path.stat().st_size > 0


def write_documents(path: Path, documents: Sequence[Document]) -> None:
    """Write documents and sync the file, since account files state that they exist."""
    texts = [document.text for document in documents]
    put(path, _pack([_fields(document) for document in documents], texts), synced=True)


def read_documents(path: Path) -> list[Document]:
    """Read what `write_documents` wrote."""
    with report_damage(path, REMEDY):
        records, texts = _unpack(path)
        return [Document(text, **_values(fields)) for text, fields in zip(texts, records, strict=True)]


def write_outcome(path: Path, outcome: Outcome, documents: Sequence[Document]) -> None:
    """Write the outcome of a step for `documents`; of changed documents only the fields that differ."""
    records: list[list[Any]] = [[index, drop.reason, drop.detail] for index, drop in outcome.dropped.items()]
    texts: list[str] = []
    for index, after in outcome.changed.items():
        before = vars(documents[index])
        fields = {name: value for name, value in vars(after).items() if value != before[name]}
        if "text" in fields:
            fields["text"] = len(texts)
            texts.append(after.text)
        records.append([index, fields])
    put(path, _pack(records, texts))


def read_outcome(path: Path, documents: Sequence[Document]) -> Outcome:
    """Read what `write_outcome` wrote for the same `documents`."""
    outcome = Outcome()
    with report_damage(path, REMEDY):
        records, texts = _unpack(path)
        for index, *entry in records:
            if isinstance(fields := entry[0], dict):
                if "text" in fields:
                    fields["text"] = texts[fields["text"]]
                outcome.changed[index] = replace(documents[index], **_values(fields))
            else:
                outcome.dropped[index] = Dropped(*entry)
    return outcome


def write_json(path: Path, data: Any, *, synced: bool = False) -> None:
    """Write plain data, compressed."""
    put(path, _pack(data, []), synced=synced)


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    with report_damage(path, REMEDY):
        return _unpack(path)[0]


def write_blocks(path: Path, blocks: np.ndarray) -> None:
    """Write an array [blocks, …] and the checksum of each block, and sync the file."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, np.ascontiguousarray(blocks))
        file.write(np.array([_checksum(block) for block in blocks], dtype="<u4").tobytes())


def open_blocks(path: Path) -> np.ndarray:
    """The array that `write_blocks` wrote, memory-mapped; only its shape is checked."""
    with report_damage(path, REMEDY):
        return np.load(path, mmap_mode="r")


def read_block(path: Path, number: int) -> np.ndarray:
    """A block of what `write_blocks` wrote, memory-mapped, checked against its checksum."""
    blocks = open_blocks(path)
    with report_damage(path, REMEDY):
        checksums = np.fromfile(path, dtype="<u4", offset=path.stat().st_size - 4 * len(blocks))
        if _checksum(blocks[number]) != checksums[number]:
            raise ValueError("its checksum differs")
    return blocks[number]


def _checksum(block: np.ndarray) -> int:
    return crc32(np.ascontiguousarray(block).view(np.uint8).data) if block.size else 0


class KeysFile:
    """The documents of a piece that have keys: their index in the piece, priority, id and keys.

    Arrays are memory-mapped, and the keys are ordered so that the n-th key of all documents is one block: the keys of a
    large corpus need not fit into memory.
    """

    def __init__(self, path: Path):
        self._keys, self._entries, self._ids = (
            path.with_name(f"{path.name}.{end}") for end in ("npy", "kept.npy", "ids")
        )

    def is_written(self) -> bool:
        """Whether all files exist; the ids are written last."""
        return is_written(self._ids)

    def write(self, documents: Sequence[Document], step: Deduplicator) -> None:
        """Compute and write the keys that `step` gives the documents."""
        rows = [*compute_keys(step, documents)]
        entries = np.array([(index, step.priority(documents[index])) for index, _ in rows], dtype=ENTRY)
        flat = b"".join(key for _, keys in rows for key in keys)
        shape = (len(rows), len(rows[0][1]), -1) if rows else (0, 1, 1)
        keys = np.frombuffer(flat, dtype="<u8").reshape(shape).swapaxes(0, 1)
        write_blocks(self._keys, keys)
        write_blocks(self._entries, entries[np.newaxis])
        write_json(self._ids, [documents[index].id for index, _ in rows])

    def __len__(self) -> int:
        """Documents with keys."""
        return open_blocks(self._entries).shape[1]

    @property
    def positions(self) -> int:
        """Keys of a document."""
        return len(open_blocks(self._keys))

    @property
    def entries(self) -> np.ndarray:
        """(index, priority) of each document."""
        return read_block(self._entries, 0)

    def keys(self, position: int) -> np.ndarray:
        """The key of each document at one position, uint64 [documents, words]."""
        return read_block(self._keys, position)

    @property
    def ids(self) -> list[str]:
        """The id of each document."""
        return read_json(self._ids)


def _fields(document: Document) -> dict[str, Any]:
    """The id of a document and its other fields that are not empty, without the text."""
    return {name: value for name, value in vars(document).items() if (value and name != "text") or name == "id"}


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with tuples, which JSON does not have."""
    return {name: _tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _tuple(values: list) -> tuple:
    return tuple(_tuple(value) if isinstance(value, list) else value for value in values)


def _pack(data: Any, texts: Sequence[str]) -> bytes:
    """Compress one line of JSON, with the data and the size of each text, followed by the raw texts.

    Inside the JSON, each character of a text would have to be escaped.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    line = json.dumps([data, [*map(len, encoded)]], ensure_ascii=False)
    return pyzstd.compress(b"".join([line.encode("utf-8", "surrogatepass"), b"\n", *encoded]), FAST)


def _unpack(path: Path) -> tuple[Any, list[str]]:
    packed = pyzstd.decompress(path.read_bytes())
    start = packed.index(b"\n") + 1
    data, sizes = json.loads(packed[:start])
    edges = pairwise(accumulate(sizes, initial=start))
    return data, [packed[begin:end].decode("utf-8", "surrogatepass") for begin, end in edges]


def put(path: Path, data: bytes, *, synced: bool = False) -> None:
    """Write a file under a temporary name and rename it. To sync most of them would cost more than to redo the work."""
    if synced:
        write_atomically(path, data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
