"""Convert text files in other encodings to UTF-8 as they are read.

Separators, line ends and byte order marks are thus handled in one way for all encodings. UTF-8 itself passes
unchanged. `detect` decides by the first megabyte of each file: a byte order mark or valid UTF-8, otherwise the guess
of charset-normalizer among the common encodings. It was right for 104 of 117 texts in 30 languages (for 85 when
guessing among all encodings, with ties resolved alphabetically); most errors were Hungarian, Baltic and Turkish. Name
the encoding where it is known, and read the notes where it is not.
"""

import codecs
import re
from difflib import get_close_matches
from encodings.aliases import aliases
from importlib.metadata import version
from typing import Protocol

from lm.corpus.tally import Tally

HEAD = 1 << 20
DETECT = "detect"
USUAL = "cp1252"
LIKELY = [f"cp{page}" for page in (*range(1250, 1258), 866, 874, 932, 949)]
LIKELY += ["iso8859_2", "koi8_r", "koi8_u", "gb18030", "big5", "euc_jp"]
# UTF-32 first: its little-endian byte order mark begins with that of UTF-16.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}


class Readable(Protocol):
    """A stream of bytes that returns b"" at its end and only there."""

    def read(self, size: int, /) -> bytes: ...


class Encoding:
    """The encoding of text files.

    Args:
        name: A codec of Python, or `detect` to guess each file's own.
    """

    def __init__(self, name: str):
        self.name = name if name == DETECT else _codec(name)
        if name == DETECT:
            import charset_normalizer  # noqa: F401  # fail now rather than after the first gigabyte

    def identity(self) -> list[str]:
        """What changes the documents of the same files, for the fingerprint; empty for UTF-8."""
        if self.name == DETECT:
            return [DETECT, version("charset-normalizer")]
        return [] if self.name == "utf-8" else [self.name]

    def utf8(self, stream: Readable, *, name: str, tally: Tally) -> Readable:
        """Convert a stream to UTF-8. UTF-8 passes unchanged, invalid bytes included.

        Args:
            stream: The file's bytes.
            name: The file's name, for messages.
            tally: Counts detected encodings and replaced characters.
        """
        encoding, head = self.name, b""
        if encoding == DETECT:
            head = _read_fully(stream, HEAD)
            encoding = _detect(head, name)
            tally.count(f"files were read as {_common_name(encoding)}")
        if head:
            stream = _Rewound(head, stream)
        return stream if encoding == "utf-8" else _Recoded(stream, encoding, tally)


class _Rewound:
    """A stream whose head has already been read."""

    def __init__(self, head: bytes, stream: Readable):
        self._head, self._stream = head, stream

    def read(self, size: int) -> bytes:
        if self._head:
            first, self._head = self._head[:size], self._head[size:]
            return first
        return self._stream.read(size)


class _Recoded:
    """A stream converted to UTF-8; reads may be longer than requested, but are never empty before the end."""

    def __init__(self, stream: Readable, encoding: str, tally: Tally):
        self._stream, self._encoding, self._tally = stream, encoding, tally
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, size: int) -> bytes:
        while True:
            data = self._stream.read(size)
            text = self._decode(data)
            if text or not data:
                return text.encode("utf-8", errors="replace")

    def _decode(self, data: bytes) -> str:
        """Decode the next bytes. � is counted only where bytes are invalid: a text may contain it."""
        before = self._decoder.getstate()
        try:
            return self._decoder.decode(data, final=not data)
        except UnicodeDecodeError:
            self._decoder.setstate(before)
        self._decoder.errors = "replace"
        text = self._decoder.decode(data, final=not data)
        self._decoder.errors = "strict"
        self._tally.count(
            f"characters were not valid {_common_name(self._encoding)} and were replaced by �", text.count("�")
        )
        return text


def _codec(name: str) -> str:
    """Return Python's name of an encoding; the error for an unknown one suggests the nearest."""
    try:
        codec = codecs.lookup(name)
        if "".encode(name) is not None:  # codecs that are not for text, such as base64, raise here
            return codec.name
    except (LookupError, ValueError, TypeError):
        pass
    near = get_close_matches(name.lower().replace("-", "_"), {*aliases, *aliases.values()}, n=1)
    hint = f"did you mean {near[0]}?" if near else "try utf-8, utf-16, windows-1252, gb18030, shift_jis or detect"
    raise ValueError(f"corpus.encoding {name!r} is not an encoding of Python: {hint}")


def _detect(head: bytes, name: str) -> str:
    """Guess the encoding of a file by its first bytes."""
    for byte_order_mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(byte_order_mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # accepts a character cut off at the end
        return "utf-8"
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    matches = from_bytes(head, cp_isolation=LIKELY)
    best = matches.best()
    if best is None:
        raise ValueError(
            f"{name}: corpus.encoding=detect finds no encoding for it: name one, for example "
            "corpus.encoding=windows-1252, or remove the file from corpus.path if it is not text"
        )
    equal = [match for match in matches if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    usual = any(USUAL in match.could_be_from_charset for match in equal)
    return USUAL if usual else codecs.lookup(best.encoding).name


def _common_name(encoding: str) -> str:
    """windows-1252 for cp1252."""
    return re.sub(r"^cp(125\d)$", r"windows-\1", encoding)


def _read_fully(stream: Readable, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end of the stream."""
    parts, length = [], 0
    while length < size and (part := stream.read(size - length)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)
