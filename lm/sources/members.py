"""Open files and the members of archives as streams of bytes, unpacked by their content.

Names may be wrong, so the first bytes decide how a file is packed, at every level: a `.csv.gz` in a `.zip` is unpacked
twice. A name that claims a packing which the content does not have is damage, as is any end before the true one.
"""

import bz2
import gzip
import lzma
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from itertools import chain
from os.path import splitext
from pathlib import Path
from typing import IO

import pyzstd

from lm.corpus.tally import Tally
from lm.files import DamagedFileError, report_damage
from lm.sources.byte_streams import CHUNK, Readable, buffered, checked, chunks_of, read_fully, seekable_copy
from lm.sources.file_formats import packing_of
from lm.sources.tar_members import tar_members

DAMAGED = "download or pack it again, or remove it from the path"
ANY_WINDOW = {pyzstd.DParameter.windowLogMax: 31}  # corpora are often packed with `zstd --long=31`
HEAD = 1 << 13  # bytes that tell the packing
ENCRYPTED = 0x1  # flag of a member in a .zip
LEVELS = 8  # of packing; more are a trap rather than a corpus
ENDINGS = {
    ".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".tbz2": "bz2", ".tbz": "bz2", ".xz": "xz", ".txz": "xz", ".lzma": "lzma",
    ".zst": "zst", ".tzst": "zst", ".tar": "tar", ".zip": "zip",
}  # fmt: skip
PACKED = (".gz", ".bz2", ".xz", ".lzma", ".zst")  # endings after which a name has another
DOCUMENT = re.compile(r"\[Content_Types\]\.xml|mimetype|word/document\.xml")  # of .docx, .xlsx, .odt, .epub


def open_members(path: Path, *, tally: Tally | None = None) -> Iterator[tuple[str, BufferedIOBase]]:
    """Yield (name, stream) of a file, or of each member of an archive, unpacked.

    Read each stream before the next. A packing that cannot be unpacked, such as lz4, is passed on as it is.

    Args:
        path: The file; .gz, .bz2, .xz, .lzma and .zst are decompressed, .tar and .zip are archives, whatever its name.
        tally: Counts archives that hold no file.

    Raises:
        ValueError: A packed file is damaged or incomplete; by name.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name the files in it")
    with report_damage(path, DAMAGED):
        file = path.open("rb")
    with file:
        members = _Unpacking(str(path.with_name("x"))[:-1]).members(path.name, path.name, file, level=0)
        number = 0
        for number, member in enumerate(members, start=1):  # noqa: B007
            yield member
    if not number and tally is not None:
        tally.count("archives held no file", where=str(path))


class _Unpacking:
    """Unpack a file and what is packed in it; `folder`, with its slash, begins the places in messages."""

    def __init__(self, folder: str):
        self.folder = folder

    def members(self, name: str, rest: str, file: IO[bytes], *, level: int) -> Iterator[tuple[str, BufferedIOBase]]:
        """Yield the members of a file.

        Args:
            name: Its name: for documents and messages.
            rest: The part of its name that may still claim a packing.
            file: Its bytes; at level 0 with random access.
            level: How deep it is packed.
        """
        place = f"{self.folder}{name}"
        with report_damage(place, DAMAGED):
            head = read_fully(file, HEAD)
        whole = buffered(checked(chain([head], chunks_of(file)), place, DAMAGED), small=len(head) < HEAD)
        claimed = ENDINGS.get(splitext(rest.lower())[1])
        packing = packing_of(head)
        if packing is None and claimed == "tar" and head and not head.strip(b"\0"):
            packing = claimed  # an archive without members is zeros
        if packing is None and claimed is not None:
            begin = f"it begins with {head[:8]!r}" if head else "it is empty"
            raise DamagedFileError(f"{place} is damaged (no {claimed} data, {begin}): {DAMAGED}")
        if packing is None:
            yield name, whole
        elif level == LEVELS:
            raise ValueError(f"{place} is packed more than {LEVELS} times: unpack it first")
        elif packing == "zip":
            with _seekable(file, whole, level) as archive:
                yield from self._zip(name, archive, level)
        elif packing == "tar":
            for member, stream in tar_members(whole, place, DAMAGED):
                yield from self.members(f"{name}/{member}", member, stream, level=level + 1)
        else:
            inner = buffered(checked(DECOMPRESS[packing](whole), place, DAMAGED))
            yield from self.members(name, _without_ending(rest), inner, level=level + 1)

    def _zip(self, name: str, file: IO[bytes], level: int) -> Iterator[tuple[str, BufferedIOBase]]:
        place = f"{self.folder}{name}"
        with report_damage(place, DAMAGED):
            archive = zipfile.ZipFile(file)
            entries = archive.infolist()
            first = min((entry.header_offset for entry in entries), default=0)
            if first > 0 and archive.fp.seek(0) == 0 and archive.fp.read(4) == b"PK\x03\x04":
                raise zipfile.BadZipFile("there is another archive before it")
        if any(DOCUMENT.fullmatch(entry.filename) for entry in entries):
            file.seek(0)
            yield name, buffered(checked(chunks_of(file), place, DAMAGED))
            return
        for entry in entries:
            if entry.is_dir() or stat.S_ISLNK(entry.external_attr >> 16):
                continue
            if entry.flag_bits & ENCRYPTED:
                raise ValueError(f"{place}/{entry.filename} is encrypted: unpack {place} with its password first")
            with report_damage(f"{place}/{entry.filename}", DAMAGED):
                stream = archive.open(entry)
            with stream:
                yield from self.members(f"{name}/{entry.filename}", entry.filename, stream, level=level + 1)


def _without_ending(name: str) -> str:
    """a.txt for a.txt.gz, a.tar for a.tgz, and names without such an ending as they are."""
    path = Path(name)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        return name
    return f"{path.stem}.tar" if ending in (".tgz", ".tbz", ".tbz2", ".txz", ".tzst") else path.stem


def _seekable(file: IO[bytes], whole: Readable, level: int) -> IO[bytes]:
    """The file itself, or a copy of the packed content."""
    if level == 0:
        file.seek(0)
        return file
    return seekable_copy(whole)


def _gzip(stream: Readable) -> Iterator[bytes]:
    return chunks_of(gzip.GzipFile(fileobj=stream))


def _zstd(stream: Readable) -> Iterator[bytes]:
    return chunks_of(pyzstd.ZstdFile(stream, level_or_option=ANY_WINDOW))


def _streams(new: Callable) -> Callable[[Readable], Iterator[bytes]]:
    """A function that decompresses streams one after another; the library's files ignore a damaged second one."""

    def decompress(stream: Readable) -> Iterator[bytes]:
        decompressor, data = new(), stream.read(CHUNK)
        while True:
            yield decompressor.decompress(data, CHUNK)
            data = b""
            if decompressor.eof:
                data = decompressor.unused_data.lstrip(b"\0")  # .xz may be padded
                while not data:
                    if not (data := stream.read(CHUNK)):
                        return
                    data = data.lstrip(b"\0")
                decompressor = new()
            elif decompressor.needs_input and not (data := stream.read(CHUNK)):
                raise EOFError("it ends too early")

    return decompress


DECOMPRESS = {
    "gz": _gzip,
    "bz2": _streams(bz2.BZ2Decompressor),
    "xz": _streams(lzma.LZMADecompressor),
    "lzma": _streams(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    "zst": _zstd,
}
