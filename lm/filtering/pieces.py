"""Pieces of a corpus on disk: documents, and what a step has made of them.

A file is there whole or not at all. Who ends a process loses nothing; a power cut may leave files without content,
which count as absent.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from secrets import token_hex
from typing import Any

import pyzstd

from lm.corpus import Document, Dropped
from lm.files import atomic_path, undamaged
from lm.filtering.traces import Outcome

AGAIN = "remove the directory it lies in, and it will be made anew"
FAST = {pyzstd.CParameter.compressionLevel: 1, pyzstd.CParameter.checksumFlag: 1}


def is_written(path: Path) -> bool:
    """Whether a file is there, and more than a name."""
    return path.is_file() and path.stat().st_size > 0


def write_documents(path: Path, documents: Sequence[Document]) -> None:
    """Keep documents, synced: other files say that they are there."""
    texts = [document.text for document in documents]
    with atomic_path(path) as temporary:
        temporary.write_bytes(_packed([_fields(document) for document in documents], texts))


def read_documents(path: Path) -> list[Document]:
    """What `write_documents` has kept."""
    with undamaged(path, AGAIN):
        records, texts = _read(path)
        return [Document(text, **_values(fields)) for text, fields in zip(texts, records, strict=True)]


def write_outcome(path: Path, outcome: Outcome, documents: Sequence[Document]) -> None:
    """Keep what a step made of `documents`: of those it changed, what is other than before, a text by its number."""
    records: list[list[Any]] = [[place, why.reason, why.detail] for place, why in outcome.dropped.items()]
    texts: list[str] = []
    for place, after in outcome.changed.items():
        before = vars(documents[place])
        fields = {name: value for name, value in vars(after).items() if value != before[name]}
        if "text" in fields:
            fields["text"] = len(texts)
            texts.append(after.text)
        records.append([place, fields])
    put(path, _packed(records, texts))


def read_outcome(path: Path, documents: Sequence[Document]) -> Outcome:
    """What `write_outcome` has kept of the same `documents`."""
    outcome = Outcome()
    with undamaged(path, AGAIN):
        records, texts = _read(path)
        for place, *what in records:
            if isinstance(fields := what[0], dict):
                if "text" in fields:
                    fields["text"] = texts[fields["text"]]
                outcome.changed[place] = replace(documents[place], **_values(fields))
            else:
                outcome.dropped[place] = Dropped(*what)
    return outcome


def write_plain(path: Path, data: Any) -> None:
    """Keep plain data."""
    put(path, _packed(data, []))


def read_plain(path: Path) -> Any:
    """What `write_plain` has kept."""
    with undamaged(path, AGAIN):
        return _read(path)[0]


def _fields(document: Document) -> dict[str, Any]:
    """What there is to say of a document beside its text."""
    return {name: value for name, value in vars(document).items() if (value and name != "text") or name == "id"}


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as a document has them: JSON has no tuples."""
    return {name: _tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _tuple(values: list) -> tuple:
    return tuple(_tuple(value) if isinstance(value, list) else value for value in values)


def _packed(data: Any, texts: Sequence[str]) -> bytes:
    """Plain data and the bytes of each text as a line of JSON, and behind it the texts: JSON would look at each of
    their characters."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    line = json.dumps([data, [*map(len, encoded)]], ensure_ascii=False)
    return pyzstd.compress(b"".join([line.encode("utf-8", "surrogatepass"), b"\n", *encoded]), FAST)


def _read(path: Path) -> tuple[Any, list[str]]:
    """What was packed."""
    packed = pyzstd.decompress(path.read_bytes())
    start = packed.index(b"\n") + 1
    data, sizes = json.loads(packed[:start])
    edges = pairwise(accumulate(sizes, initial=start))
    return data, [packed[begin:end].decode("utf-8", "surrogatepass") for begin, end in edges]


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
