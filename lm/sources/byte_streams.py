"""Streams of bytes from chunks, and their heads."""

import io
from collections.abc import Iterable, Iterator
from typing import Protocol

from lm.files import report_damage

CHUNK = 1 << 20


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


def read_fully(stream: Readable, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end of the stream."""
    parts, length = [], 0
    while length < size and (part := stream.read(size - length)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)
