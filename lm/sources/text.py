"""Documents from plain text files."""

import re
from collections.abc import Iterator
from pathlib import Path

from lm.bounds import Natural
from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.byte_streams import Readable
from lm.sources.file_source import REPLACED, WITHOUT_TEXT, FileSource

CHUNK = 1 << 20
MARKS = "documents had byte order marks within, which stay"
NULS = "documents had NUL characters, which stay"


class TextSource(FileSource):
    """Plain text files: one document per file, per stretch between separators, or per part of a given size.

    A byte order mark is removed. Bytes that are invalid in the encoding become � and are counted in the notes.

    Args:
        path: A file or glob pattern, or a list of them; .gz, .bz2, .xz, .zst, .tar and .zip are unpacked.
        separator: Characters between documents, such as '<|endoftext|>' or '\\n\\n'; line ends next to it are
            removed. null: a file is one document.
        part_size: Cut longer documents into parts of about this many characters, at the end of a line. Each part
            is held out on its own, so one long text can have a held-out part. null: documents stay whole.
        break_lines: Whether a part also ends within a line, at a blank, where the line is longer than a part.
        kind: Kind of the documents; bits per byte are reported per kind.
        keep_line_ends: Whether CRLF stays; otherwise it becomes LF.
        encoding: A codec of Python, such as windows-1252, or `detect` to guess each file's own. UTF-16 and UTF-32
            are recognized by a byte order mark or their NUL bytes.
        bad_files: Maximum number of files and archive members to skip because they are not text, such as images.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        separator: str | None = None,
        part_size: int | None = None,
        break_lines: bool = False,
        kind: str = "prose",
        keep_line_ends: bool = False,
        encoding: str = "utf-8",
        bad_files: Natural = 10,
    ):
        super().__init__(path, encoding=encoding, bad_files=bad_files)
        if separator == "":
            raise ValueError("corpus.separator is empty: give the characters between documents, or null for none")
        if part_size is not None and part_size < 1:
            raise ValueError(f"corpus.part_size {part_size} is below 1: give characters, for example 20000, or null")
        self.separator = separator and separator.replace("\\n", "\n").replace("\\t", "\t")
        self.part_size, self.break_lines = part_size, break_lines
        self.kind, self.keep_line_ends = kind, keep_line_ends

    def fingerprint(self) -> str:
        options = [self.separator, self.part_size, self.kind, self.keep_line_ends, *self.encoding.identity()]
        options += ["break_lines"] * self.break_lines
        return hash_json(["text", options, self.content()])

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        alone = self.separator is None and self.part_size is None
        for name, stream in self.texts(file, tally, keep_line_ends=self.keep_line_ends):
            pieces = _pieces(_line_ends(stream, keep=self.keep_line_ends), self.separator)
            texts = (part for piece in pieces for part in self._parts(piece))
            for number, (text, replaced) in enumerate(texts):
                if replaced:
                    tally.count(REPLACED, replaced, where=str(file.parent / name))
                if "\0" in text:
                    tally.count(NULS, where=str(file.parent / name))
                if "\ufeff" in text:
                    tally.count(MARKS, where=str(file.parent / name))
                if not text.strip():
                    tally.count(WITHOUT_TEXT)
                    continue
                yield Document(text, name if alone else f"{name}#{number}", self.kind, source=str(file))

    def _parts(self, piece: bytes) -> Iterator[tuple[str, int]]:
        """Yield the texts of a piece, the first with the number of � that decoding put into the piece."""
        text = piece.decode("utf-8", errors="replace")
        replaced = text.count("�") - piece.count("�".encode()) if "�" in text else 0
        if self.separator is not None:
            text = text.strip("\n")
        if self.part_size is None:
            yield text, replaced
            return
        start = 0
        while start < len(text):
            stop = start + self.part_size
            stop = len(text) if stop >= len(text) else self._end_of_line(text, stop)
            yield text[start:stop], replaced
            start, replaced = stop, 0

    def _end_of_line(self, text: str, stop: int) -> int:
        """The end of the line that holds the character before `stop`; of a long one, where a part may break it."""
        end = text.find("\n", stop - 1) + 1 or len(text)
        if not self.break_lines or end <= stop + self.part_size:
            return end
        return text.find(" ", stop - 1, stop + self.part_size) + 1 or stop


def _line_ends(stream: Readable, *, keep: bool) -> Iterator[bytes]:
    """Yield chunks of a stream; unless `keep`, with LF for CRLF."""
    chunk = stream.read(CHUNK)
    while chunk:
        following = stream.read(CHUNK)
        if not keep:
            while chunk.endswith(b"\r") and following:  # its LF may be in the next chunk
                chunk, following = chunk + following, stream.read(CHUNK)
            chunk = chunk.replace(b"\r\n", b"\n")
        yield chunk
        chunk = following


def _pieces(chunks: Iterator[bytes], separator: str | None) -> Iterator[bytes]:
    """Split at separators, with one piece in memory rather than the file; without a separator, yield the whole."""
    if separator is None:
        yield b"".join(chunks)
        return
    pattern = re.escape(separator.encode())
    waiting: list[bytes] = []
    tail = b""  # the end of the last block, which may hold the beginning of a separator
    for chunk in chunks:
        *pieces, last = re.split(pattern, tail + chunk)
        for piece in pieces:
            yield b"".join(waiting) + piece
            waiting = []
        cut = max(0, len(last) - len(separator.encode()) + 1)
        waiting.append(last[:cut])
        tail = last[cut:]
    yield b"".join(waiting) + tail
