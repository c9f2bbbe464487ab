"""Pieces of a corpus on disk: documents, and what a step has made of them.

A file is there whole or not at all. Who ends a process loses nothing; a power cut may leave files without content,
which count as absent.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import pyzstd

from lm.corpus.document import Document, Dropped
from lm.corpus.fate import Outcome
from lm.files import atomic_path, undamaged

AGAIN = "remove the directory it lies in, and it will be made anew"
FAST = {pyzstd.CParameter.compressionLevel: 1, pyzstd.CParameter.checksumFlag: 1}


def is_written(path: Path) -> bool:
    """Whether a file is there, and more than a name."""
    return path.is_file() and path.stat().st_size > 0


def write_documents(path: Path, documents: Sequence[Document]) -> None:
    """Keep documents, one a line, synced: other files say that they are there."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(_packed([_fields(document) for document in documents]))


def read_documents(path: Path) -> list[Document]:
    """What `write_documents` has kept."""
    with undamaged(path, AGAIN):
        return [Document(**_values(fields)) for fields in _read(path)]


def write_outcome(path: Path, outcome: Outcome, documents: Sequence[Document]) -> None:
    """Keep what a step made of `documents`: of those it changed, what is other than before."""
    records: list[list[Any]] = [[place, why.reason, why.detail] for place, why in outcome.dropped.items()]
    for place, after in outcome.changed.items():
        before = vars(documents[place])
        records.append([place, {name: value for name, value in vars(after).items() if value != before[name]}])
    _write(path, records)


def read_outcome(path: Path, documents: Sequence[Document]) -> Outcome:
    """What `write_outcome` has kept of the same `documents`."""
    outcome = Outcome()
    with undamaged(path, AGAIN):
        for place, *what in _read(path):
            if isinstance(what[0], dict):
                outcome.changed[place] = replace(documents[place], **_values(what[0]))
            else:
                outcome.dropped[place] = Dropped(*what)
    return outcome


def write_plain(path: Path, data: Any) -> None:
    """Keep plain data."""
    _write(path, [data])


def read_plain(path: Path) -> Any:
    """What `write_plain` has kept."""
    with undamaged(path, AGAIN):
        return _read(path)[0]


def _fields(document: Document) -> dict[str, Any]:
    """What there is to say of a document."""
    return {name: value for name, value in vars(document).items() if value or name in ("text", "id")}


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as a document has them: JSON has no tuples."""
    return {name: _tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _tuple(values: list) -> tuple:
    return tuple(_tuple(value) if isinstance(value, list) else value for value in values)


def _write(path: Path, records: Sequence[Any]) -> None:
    put(path, _packed(records))


def _packed(records: Sequence[Any]) -> bytes:
    lines = "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
    return pyzstd.compress(lines.encode("utf-8", "surrogatepass"), FAST)


def _read(path: Path) -> list[Any]:
    return [json.loads(line) for line in pyzstd.decompress(path.read_bytes()).split(b"\n") if line]


def put(path: Path, data: bytes) -> None:
    """Write a file under another name, and give it its own once it is whole. It is not synced: that would take longer
    than the work that a lost one costs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
