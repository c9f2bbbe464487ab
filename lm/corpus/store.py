"""Documents kept on disk in pieces, each whole or absent, with an account of how far the writing is."""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyzstd

from lm.corpus.document import Document
from lm.files import atomic_path, undamaged, write_atomically

ACCOUNT = "account.json"
AGAIN = "remove this directory, and it will be made anew"


class Store:
    """A directory of documents that is written once, from its beginning to its end, however often that is interrupted.

    `account` is plain data that is kept with the pieces: what it says is true of what lies there.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        self.account = self._written()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Write it alone: whoever comes second waits, and finds what the first has done."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / ".lock", "a") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            self.account = self._written()
            yield

    def _written(self) -> dict[str, Any]:
        """The account as it lies there."""
        path = self.directory / ACCOUNT
        if not path.is_file():
            return {"pieces": [], "read": 0, "complete": False}
        with undamaged(path, AGAIN):
            return json.loads(path.read_text(encoding="utf-8"))

    def add(self, documents: Sequence[Document], account: dict[str, Any]) -> None:
        """Write a piece, and the account that holds with it."""
        pieces = list(self.account["pieces"])
        if documents:
            path = self.directory / f"documents-{len(pieces):05d}.jsonl.zst"
            lines = b"".join(_line(document) for document in documents)
            with atomic_path(path) as temporary:
                temporary.write_bytes(pyzstd.compress(lines))
            pieces.append(path.name)
        self.account = {**account, "pieces": pieces}
        write_atomically(self.directory / ACCOUNT, json.dumps(self.account, indent=1, ensure_ascii=False))

    def __iter__(self) -> Iterator[Document]:
        for name in self.account["pieces"]:
            path = self.directory / name
            with undamaged(path, AGAIN):
                lines = pyzstd.decompress(path.read_bytes()).splitlines()
                documents = [_document(json.loads(line)) for line in lines]
            yield from documents


def _document(fields: dict[str, Any]) -> Document:
    return Document(**{**fields, "tags": tuple(fields.get("tags", ()))})


def _line(document: Document) -> bytes:
    fields = {name: value for name, value in asdict(document).items() if value}
    return (
        json.dumps({"text": document.text, "id": document.id, **fields}, ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        + b"\n"
    )
