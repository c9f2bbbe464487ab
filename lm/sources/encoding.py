"""What the bytes of a text file mean, for files that are not UTF-8.

A file in another encoding is made UTF-8 as it is read, so that separators, line ends and byte order marks are
handled in one way for all. UTF-8 itself is not touched. `detect` looks at the first megabyte of each file: a byte
order mark or valid UTF-8 decides, else charset-normalizer guesses among the common encodings. It was right on 104 of
117 texts in 30 languages (on 85 among all encodings, with ties left to the alphabet); most wrong were Hungarian,
Baltic and Turkish. So name the encoding wherever it is known, and read the notes where it is not.
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
# The marks of UTF-32 first: the little one begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}


class Readable(Protocol):
    """A stream of bytes, b"" at its end and only there."""

    def read(self, size: int, /) -> bytes: ...


class Encoding:
    """A codec of Python's by name, or `detect` for each file's own."""

    def __init__(self, name: str):
        self.name = name if name == DETECT else _codec(name)
        if name == DETECT:
            import charset_normalizer  # noqa: F401  # said now rather than after the first gigabyte

    def identity(self) -> list[str]:
        """What of it makes other documents of the same files; nothing for UTF-8."""
        if self.name == DETECT:
            return [DETECT, version("charset-normalizer")]
        return [] if self.name == "utf-8" else [self.name]

    def utf8(self, stream: Readable, *, name: str, tally: Tally) -> Readable:
        """The stream as UTF-8; UTF-8 comes back as it is, with whatever is wrong in it."""
        encoding, head = self.name, b""
        if encoding == DETECT:
            head = _read_fully(stream, HEAD)
            encoding = _detect(head, name)
            tally.count(f"files read as {_spoken(encoding)}")
        if head:
            stream = _Rewound(head, stream)
        return stream if encoding == "utf-8" else _Recoded(stream, encoding, tally)


class _Rewound:
    """A stream whose head has been looked at."""

    def __init__(self, head: bytes, stream: Readable):
        self._head, self._stream = head, stream

    def read(self, size: int) -> bytes:
        if self._head:
            first, self._head = self._head[:size], self._head[size:]
            return first
        return self._stream.read(size)


class _Recoded:
    """A stream in another encoding as UTF-8; reads may be longer than asked for, never empty before the end."""

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
        """The text of the next bytes; only where some are wrong are � counted, which a text may have of its own."""
        before = self._decoder.getstate()
        try:
            return self._decoder.decode(data, final=not data)
        except UnicodeDecodeError:
            self._decoder.setstate(before)
        self._decoder.errors = "replace"
        text = self._decoder.decode(data, final=not data)
        self._decoder.errors = "strict"
        self._tally.count(f"characters were no {_spoken(self._encoding)} and became �", text.count("�"))
        return text


def _codec(name: str) -> str:
    """Python's own name of an encoding, or an error that says which are near."""
    try:
        found = codecs.lookup(name)
        if "".encode(name) is not None:  # codecs that are none of text, as base64, refuse this
            return found.name
    except (LookupError, ValueError, TypeError):
        pass
    near = get_close_matches(name.lower().replace("-", "_"), {*aliases, *aliases.values()}, n=1)
    hint = f"did you mean {near[0]}?" if near else "try utf-8, utf-16, windows-1252, gb18030, shift_jis or detect"
    raise ValueError(f"corpus.encoding {name!r} is no encoding that Python knows: {hint}")


def _detect(head: bytes, name: str) -> str:
    """The encoding of a text that begins like this."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a character cut off at the end is none that is wrong
        return "utf-8"
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    found = from_bytes(head, cp_isolation=LIKELY)
    best = found.best()
    if best is None:
        raise ValueError(
            f"{name} is in no encoding that corpus.encoding=detect finds: name it, for example "
            "corpus.encoding=windows-1252, or leave the file out if it is no text"
        )
    equal = [match for match in found if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    usual = any(USUAL in match.could_be_from_charset for match in equal)
    return USUAL if usual else codecs.lookup(best.encoding).name


def _spoken(encoding: str) -> str:
    """The name by which people know it."""
    return re.sub(r"^cp(125\d)$", r"windows-\1", encoding)


def _read_fully(stream: Readable, size: int) -> bytes:
    """So many bytes, fewer only at the end of the stream."""
    parts, length = [], 0
    while length < size and (part := stream.read(size - length)):
        parts.append(part)
        length += len(part)
    return b"".join(parts)
