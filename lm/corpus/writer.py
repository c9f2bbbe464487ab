"""Write documents as token shards, in one pass and bounded memory."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from lm.corpus.document import Document
from lm.corpus.layout import INDEX, SPLITS, TOKENIZER, VERSION, dtype_for, shard_name
from lm.corpus.split import Split
from lm.files import atomic_path, hash_file, write_atomically
from lm.tokenizer import Tokenizer

BATCH_DOCUMENTS = 512
BATCH_CHARACTERS = 2_000_000  # `tokenizers` needs about 150 bytes of memory per character
LINE_START = re.compile(r"(?<=\S\n)(?=\w)")


def write_shards(
    documents: Iterable[Document], directory: Path, *, tokenizer: Tokenizer, split: Split, shard_tokens: int
) -> list[Path]:
    """Write the documents' tokens into `directory`.

    Files of an interrupted writer are removed first, and corpus.json is written last, so that no reader takes a part
    for the whole.

    Args:
        documents: The documents, in the order in which they are written.
        directory: The corpus directory; `layout` draws it.
        tokenizer: Turns each document's text into ids.
        split: Decides which documents are held out.
        shard_tokens: A shard ends with the first document that brings it to this many tokens.

    Returns:
        The files written, corpus.json last.
    """
    if shard_tokens < 1:
        raise ValueError(f"shard_tokens {shard_tokens} is below 1: give tokens, for example 100000000")
    tokenizer.check_lossless("a corpus")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / INDEX).unlink(missing_ok=True)
    for name in SPLITS:
        for pattern in (f"{name}-*.bin", f"{name}-*.npz", f".{name}-*"):  # dotted: temporary files of a killed writer
            for path in directory.glob(pattern):
                path.unlink()
    writers: dict[tuple[str, str], StreamWriter] = {}
    with ExitStack() as stack:
        for batch in _batches(documents):
            for document, ids in zip(batch, _encode(batch, tokenizer), strict=True):
                key = (SPLITS[split.held_out(document)], document.kind)
                if key not in writers:
                    writer = StreamWriter(directory, *key, tokenizer=tokenizer, shard_tokens=shard_tokens)
                    writers[key] = stack.enter_context(writer)
                writers[key].add(document, ids)
    tokenizer.save(directory / TOKENIZER)
    index = {
        "version": VERSION,
        "tokenizer": tokenizer.fingerprint,
        "vocab_size": tokenizer.vocab_size,
        "dtype": dtype_for(tokenizer.vocab_size).str,
        "splits": {
            name: {kind: writers[s, kind].summary() for s, kind in sorted(writers) if s == name} for name in SPLITS
        },
    }
    write_atomically(directory / INDEX, json.dumps(index, indent=1))
    shards = [path for key in sorted(writers) for path in writers[key].files]
    return [*shards, directory / TOKENIZER, directory / INDEX]


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Group documents into batches of bounded size; a larger document is a batch of its own."""
    batch, size = [], 0
    for document in documents:
        if batch and (len(batch) == BATCH_DOCUMENTS or size + len(document.text) > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.text)
    if batch:
        yield batch


def _encode(batch: list[Document], tokenizer: Tokenizer) -> list[np.ndarray]:
    """Encode a batch; a document larger than a batch is encoded in parts if the tokenizer gives the same ids so."""
    if len(batch) > 1 or not tokenizer.exact:
        return tokenizer.encode_batch([document.text for document in batch])
    return [np.concatenate([tokenizer.encode_batch([part])[0] for part in _parts(batch[0].text)])]


def _parts(text: str) -> Iterator[str]:
    """Cut a text before lines that begin with a word, where every pre-tokenizer of conf/tokenizer cuts too."""
    start = 0
    while start < len(text):
        match = LINE_START.search(text, start + BATCH_CHARACTERS)
        stop = match.start() if match else len(text)
        yield text[start:stop]
        start = stop


class StreamWriter:
    """Write the shards of one split and kind; on an error the unfinished shard is removed.

    Args:
        directory: The corpus directory.
        split: `train` or `validation`.
        kind: Kind of the documents.
        tokenizer: Tokenizer that made the ids.
        shard_tokens: Size from which a shard ends with the current document.
    """

    def __init__(self, directory: Path, split: str, kind: str, *, tokenizer: Tokenizer, shard_tokens: int):
        self.directory, self.split, self.kind = directory, split, kind
        self.tokenizer, self.shard_tokens = tokenizer, shard_tokens
        self.dtype = dtype_for(tokenizer.vocab_size)
        self.files: list[Path] = []
        self.shards: list[dict] = []
        self.lost = 0  # bytes that decoding does not restore
        self._open_shard()

    def add(self, document: Document, ids: np.ndarray) -> None:
        """Append a document and its ids."""
        size = len(self.tokenizer.normalize(document.text).encode())
        counted = int(self.tokenizer.token_bytes[ids].sum()) - len(self.tokenizer.prefix) if len(ids) else 0
        if counted != size:
            raise ValueError(
                f"document {document.id!r} has {size} bytes but its tokens {counted}: bits per byte would be "
                "wrong; use a tokenizer trained by `lm tokenizer`"
            )
        if self._entries >= self.shard_tokens:
            self._close_shard()
            self._open_shard()
        self._write(np.concatenate([[self.tokenizer.end_of_document], ids]))
        self._tokens.append(len(ids))
        self._bytes.append(size)
        self.lost += self.tokenizer.lost_bytes(document.text)
        self._ids.append(document.id.replace("\0", "�"))

    def summary(self) -> dict:
        """Counts and shards, for corpus.json; a document's end_of_document counts as a token."""
        totals = {name: sum(shard[name] for shard in self.shards) for name in ("documents", "tokens", "bytes")}
        return totals | {"lost": self.lost, "shards": self.shards}

    def __enter__(self) -> "StreamWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is None:
            self._write(np.array([self.tokenizer.end_of_document]))
            self._close_shard()
        else:
            self._stack.__exit__(kind, error, trace)

    def _open_shard(self) -> None:
        self._entries, self._tokens, self._bytes, self._ids = 0, [], [], []
        self._path = self.directory / (shard_name(self.split, self.kind, len(self.shards)) + ".bin")
        self._stack = ExitStack()
        temporary = self._stack.enter_context(atomic_path(self._path))
        self._file = self._stack.enter_context(temporary.open("wb"))

    def _write(self, ids: np.ndarray) -> None:
        self._file.write(ids.astype(self.dtype).tobytes())
        self._entries += len(ids)

    def _close_shard(self) -> None:
        self._stack.close()
        documents = self._path.with_suffix(".npz")
        with atomic_path(documents) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                tokens=np.array(self._tokens, dtype=np.int64),
                bytes=np.array(self._bytes, dtype=np.int64),
                ids=np.frombuffer("\0".join(self._ids).encode("utf-8", "replace"), dtype=np.uint8),
            )
        self.files += [self._path, documents]
        self.shards.append(
            {
                "name": self._path.stem,
                "entries": self._entries,
                "documents": len(self._tokens),
                "tokens": sum(self._tokens) + len(self._tokens),
                "bytes": sum(self._bytes),
                "hash": hash_file(self._path),
            }
        )
