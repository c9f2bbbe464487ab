"""Read prepared corpora: token streams, memory-mapped from the shards on disk."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np

from lm.corpus.layout import INDEX, SPLITS, VERSION
from lm.corpus.verification import AGAIN, Verify, verify_shards
from lm.files import hash_json, report_damage
from lm.tokenizer import Tokenizer


class Shards:
    """One split of a prepared corpus: a `TokenStream` for each kind.

    Args:
        path: The corpus directory.
        split: `train` or `validation`.
        tokenizer: Tokenizer that will read it; a corpus made with another is refused, because its ids would mean
            other texts. None: not checked.
    """

    def __init__(self, path: str | Path, split: str = "train", *, tokenizer: Tokenizer | None = None):
        path = Path(path)
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
        self.directory, self.split = path, split
        index = _read_index(path, tokenizer)
        with report_damage(path / INDEX, AGAIN):
            entries, dtype = index["splits"][split], np.dtype(index["dtype"])
            self.tokenizer_fingerprint: str = index["tokenizer"]
            self.vocab_size: int = index["vocab_size"]
        self.fingerprint: str = hash_json(index)
        self.lost: int = sum(
            entry.get("lost", 0) for entry in entries.values()
        )  # bytes that the tokenizer cannot restore
        self._hashes = {
            path / f"{shard['name']}.bin": shard["hash"] for entry in entries.values() for shard in entry["shards"]
        }
        self.streams = {
            kind: TokenStream(path, entry["shards"], dtype=dtype, vocab_size=self.vocab_size)
            for kind, entry in entries.items()
        }
        self.kinds = list(self.streams)

    def verify(self, verify: Verify = "auto") -> None:
        """Raise ValueError if a shard is not bit for bit what was written; see `verify_shards`."""
        verify_shards(self.directory, self.split, self._hashes, verify=verify)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Documents, tokens and bytes by kind."""
        return {
            kind: {"documents": stream.documents, "tokens": stream.tokens, "bytes": int(stream.bytes.sum())}
            for kind, stream in self.streams.items()
        }


class TokenStream:
    """The tokens of one kind of one split, over any number of shards; `layout` draws the format.

    Document i has `bytes[i]` bytes and lies between `bounds[i]` and `bounds[i + 1]`, both positions of an
    end_of_document. Open files are not pickled, so a stream can be sent to worker processes.
    """

    def __init__(self, directory: Path, shards: list[dict], *, dtype: np.dtype, vocab_size: int):
        self.paths = [directory / f"{shard['name']}.bin" for shard in shards]
        self.dtype, self.vocab_size = dtype, vocab_size
        for path, shard in zip(self.paths, shards, strict=True):
            size = path.stat().st_size if path.is_file() else -1
            if size != shard["entries"] * dtype.itemsize:
                state = "is missing" if size < 0 else f"has {size} bytes instead of {shard['entries'] * dtype.itemsize}"
                raise ValueError(f"{path} {state}: {AGAIN}")
        self._ends = np.cumsum([shard["entries"] for shard in shards])
        lengths, sizes = zip(*(_documents(path.with_suffix(".npz")) for path in self.paths), strict=True)
        lengths = np.concatenate(lengths)
        self.bounds = np.concatenate([[0], np.cumsum(lengths + 1)])  # int64 [documents + 1]
        self.bytes = np.concatenate(sizes)  # int64 [documents]
        assert len(self) == self.bounds[-1] + 1
        self._files: dict[int, np.ndarray] = {}

    @property
    def starts(self) -> np.ndarray:
        """Position of the end_of_document that opens each document, int64 [documents]."""
        return self.bounds[:-1]

    @property
    def documents(self) -> int:
        """Number of documents."""
        return len(self.bytes)

    @property
    def tokens(self) -> int:
        """Number of targets: the documents' tokens and one end_of_document each."""
        return len(self) - 1

    @cached_property
    def ids(self) -> list[str]:
        """Id of each document, from its source."""
        indices = (np.load(path.with_suffix(".npz")) for path in self.paths)
        return [name for index in indices for name in index["ids"].tobytes().decode().split("\0")]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return ids start…stop-1 of the stream, int64 [stop - start]."""
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"{start}:{stop} lies outside the stream's {len(self)} tokens")
        parts = []
        file = int(np.searchsorted(self._ends, start, side="right"))
        while start < stop:
            begin, end = int(self._ends[file - 1]) if file else 0, int(self._ends[file])
            parts.append(self._open(file)[start - begin : min(stop, end) - begin].astype(np.int64))
            if (highest := parts[-1].max()) >= self.vocab_size:
                reason = f"id {highest} in a vocabulary of {self.vocab_size}"
                raise ValueError(f"{self.paths[file]} is damaged ({reason}): {AGAIN}")
            start, file = min(stop, end), file + 1
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Return the ids at positions of the stream, int64, of the same shape."""
        if len(self.paths) == 1:
            ids = self._open(0)[positions].astype(np.int64)
        else:
            ids = np.empty(positions.shape, dtype=np.int64)
            files = np.searchsorted(self._ends, positions, side="right")
            for file in np.unique(files):
                here = files == file
                ids[here] = self._open(file)[positions[here] - (self._ends[file - 1] if file else 0)]
        if ids.size and (highest := ids.max()) >= self.vocab_size:
            file = int(np.searchsorted(self._ends, positions.flat[ids.argmax()], side="right"))
            reason = f"id {highest} in a vocabulary of {self.vocab_size}"
            raise ValueError(f"{self.paths[file]} is damaged ({reason}): {AGAIN}")
        return ids

    def document(self, index: int) -> np.ndarray:
        """Return the ids of a document, without the end_of_document on either side."""
        return self.read(int(self.bounds[index]) + 1, int(self.bounds[index + 1]))

    def _open(self, file: int) -> np.ndarray:
        if file not in self._files:
            mapped = np.memmap(self.paths[file], dtype=self.dtype, mode="r")
            self._files[file] = mapped.view(np.ndarray)  # a slice of a memmap takes 5 µs, of an array 0.1
        return self._files[file]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_files": {}}


def _documents(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Number of tokens and of bytes of each document of a shard, int64 [documents] each."""
    with report_damage(path, AGAIN), np.load(path) as index:
        return index["tokens"], index["bytes"]


def recorded_tokens(path: str | Path, split: str, *, tokenizer: Tokenizer) -> dict[str, int]:
    """Return the number of targets by kind from the index, without opening the shards."""
    index = _read_index(Path(path), tokenizer)
    with report_damage(Path(path) / INDEX, AGAIN):
        return {kind: entry["tokens"] for kind, entry in index["splits"][split].items()}


def _read_index(path: Path, tokenizer: Tokenizer | None) -> dict:
    """Read corpus.json; raise if it was made with another tokenizer or by another version."""
    if not (path / INDEX).is_file():
        state = "never finished" if path.is_dir() else "no such directory"
        raise ValueError(f"{path} is not a corpus ({state}: no {INDEX}): run `lm corpus`")
    with report_damage(path / INDEX, AGAIN):
        index = json.loads((path / INDEX).read_text(encoding="utf-8"))
        version = index["version"]
    if version != VERSION:
        raise ValueError(f"{path} was written by another version of lm: {AGAIN}")
    with report_damage(path / INDEX, AGAIN):
        made_with, vocab_size = index["tokenizer"], index["vocab_size"]
    if tokenizer is not None and tokenizer.fingerprint != made_with:
        raise ValueError(
            f"the corpus at {path} was made with another tokenizer ({vocab_size} tokens, "
            f"fingerprint {made_with[:12]}) than the one given ({tokenizer.vocab_size} "
            f"tokens, {tokenizer.fingerprint[:12]}): use {path}/tokenizer.json, or prepare the corpus "
            "again under another run.name with tokenizer.path=…"
        )
    return index
