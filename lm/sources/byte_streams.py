"""Streams of bytes from chunks, and their heads."""

import io
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, Protocol

from lm.files import report_damage

CHUNK = 1 << 20
IN_MEMORY = 1 << 26  # bytes of a copy; a larger one is a temporary file


class Readable(Protocol):
    """A stream of bytes that returns b"" at its end and only there."""

    def read(self, size: int, /) -> bytes: ...


class Chunks(io.RawIOBase):
    """The bytes of an iterator of chunks, as a stream."""

    def __init__(self, chunks: Iterable[bytes]):
        self._chunks, self._rest = iter(chunks), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def buffered(chunks: Iterable[bytes], *, small: bool = False) -> io.BufferedIOBase:
    """Return the chunks as one stream with fast lines.

    Args:
        chunks: Its bytes, in order.
        small: Whether they are few; they are then read now, which is faster for many small files.
    """
    return io.BytesIO(b"".join(chunks)) if small else io.BufferedReader(Chunks(chunks), CHUNK)


def chunks_of(stream: Readable) -> Iterator[bytes]:
    """Yield the rest of a stream in chunks."""
    while chunk := stream.read(CHUNK):
        yield chunk


def checked(chunks: Iterable[bytes], place: str, remedy: str) -> Iterator[bytes]:
    """Yield the chunks; an error becomes one that names the file and the remedy."""
    chunks = iter(chunks)
    while True:
        with report_damage(place, remedy):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def peeked(stream: Readable, size: int) -> tuple[bytes, io.BufferedIOBase]:
    """Return the first bytes of a stream, and a stream of all its bytes."""
    head = read_fully(stream, size)
    return head, buffered(chain([head], chunks_of(stream)), small=len(head) < size)


def seekable_copy(stream: Readable) -> IO[bytes]:
    """Return the rest of a stream as a file with random access; the caller closes it."""
    copy = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
    for chunk in chunks_of(stream):
        copy.write(chunk)
    copy.seek(0)
    return copy


def read_fully(stream: Readable, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end of the stream."""
    parts, length = [], 0
    while length < size and (part := stream.read(size - length)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)
