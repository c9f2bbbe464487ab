"""Recognize a file by its first bytes: packed files and archives, and what is not text.

A name may be wrong, the content is not: a `.txt` may be gzip, a `.jsonl` may be Parquet. Signatures that consist of
letters also begin texts, so those count only beside bytes that no text has.
"""

import codecs
import re
from dataclasses import dataclass

HEAD = 1 << 16  # bytes that are looked at
CONTROLS = bytes({*range(0x20)} - {*b"\b\t\n\v\f\r\x1b"})  # which texts do not have
TAR_MAGIC = slice(257, 262)


class NotTextError(ValueError):
    """A file that holds something other than text, such as an image. Sources may skip some of them."""


class MetadataError(NotTextError):
    """A file that macOS adds beside others, such as ._a.txt in a .zip: nothing of the user's."""


@dataclass(frozen=True)
class Binary:
    """A format that no source reads as text.

    Args:
        name: Its name with the article.
        pattern: How its files begin.
        remedy: How to get at its text, after a colon; "": there is none.
        lettered: Whether texts may begin like it.
        refused: Whether the file surely holds text that must not be skipped.
    """

    name: str
    pattern: re.Pattern[bytes]
    remedy: str = ""
    lettered: bool = False
    refused: bool = False


def _binary(name: str, pattern: bytes, remedy: str = "", *, lettered: bool = False, refused: bool = False) -> Binary:
    return Binary(name, re.compile(pattern, re.DOTALL), remedy, lettered, refused)


PACKINGS = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "lzma": re.compile(rb"\x5d\0\0..(\xff{8}|.{5}\0{3})", re.DOTALL),
    "zst": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
    "zip": re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08PK)"),
}
UNPACK = "unpack it first, or pack it with gzip or zstd"
TABLE = "give it the file name extension .parquet and read it as a table"
TO_TEXT = "convert it to text"
BINARIES = (
    _binary("packed with lz4", rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18", UNPACK, refused=True),
    _binary("a 7-Zip archive", rb"7z\xbc\xaf\x27\x1c", UNPACK, refused=True),
    _binary("a RAR archive", rb"Rar!\x1a\x07", UNPACK, refused=True),
    _binary("packed with compress", rb"\x1f[\x9d\xa0]", UNPACK, refused=True),
    _binary("packed with lzip", rb"LZIP\x01", UNPACK, refused=True),
    _binary("packed with lzop", rb"\x89LZO\0", UNPACK, refused=True),
    _binary("packed with snappy", rb"\xff\x06\0\0sNaPpY", UNPACK, refused=True),
    _binary(
        "a pointer of Git LFS, not the file itself",
        rb"version https://git-lfs\.github\.com/spec/v\d",
        "fetch the file with git lfs pull",
        refused=True,
    ),
    _binary("Parquet", rb"PAR1", TABLE, lettered=True, refused=True),
    _binary("an Arrow file", rb"ARROW1\0\0", "convert it to Parquet", refused=True),
    _binary("a Feather file", rb"FEA1", "convert it to Parquet", lettered=True, refused=True),
    _binary("an ORC file", rb"ORC", "convert it to Parquet", lettered=True, refused=True),
    _binary("an Avro file", rb"Obj\x01", "convert it to JSON Lines", refused=True),
    _binary("a SQLite database", rb"SQLite format 3\0", "export its tables as CSV"),
    _binary("a PDF document", rb"%PDF-\d\.\d", f"{TO_TEXT}, for example with pdftotext"),
    _binary("an RTF document", rb"\{\\rtf\d", TO_TEXT),
    _binary("an Office document", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", TO_TEXT),
    _binary(
        "an Office document, an e-book or another document in a ZIP", rb"PK(\x03\x04|\x05\x06|\x07\x08PK)", TO_TEXT
    ),
    _binary("a PNG image", rb"\x89PNG"),
    _binary("a JPEG image", rb"\xff\xd8\xff", lettered=True),
    _binary("a GIF image", rb"GIF8[79]a", lettered=True),
    _binary("a WebP image", rb"RIFF....WEBP", lettered=True),
    _binary("a TIFF image", rb"II\*\0|MM\0\*"),
    _binary("a BMP image", rb"BM", lettered=True),
    _binary("an icon", rb"\0\0\x01\0"),
    _binary("a WAV file", rb"RIFF....WAVE", lettered=True),
    _binary("an MP3 file", rb"ID3|\xff\xfb", lettered=True),
    _binary("an Ogg file", rb"OggS\0"),
    _binary("a FLAC file", rb"fLaC\0"),
    _binary("a video", rb"....ftyp|\x1a\x45\xdf\xa3", lettered=True),
    _binary("a program (ELF)", rb"\x7fELF"),
    _binary("a program (Windows)", rb"MZ", lettered=True),
    _binary("a program (macOS)", rb"\xcf\xfa\xed\xfe|\xce\xfa\xed\xfe"),
    _binary("a Java class or a macOS program", rb"\xca\xfe\xba\xbe"),
    _binary("a WebAssembly program", rb"\0asm"),
    _binary("a font", rb"wOF[F2]|\0\x01\0\0\0|OTTO\0", lettered=True),
    _binary("a pickle", rb"\x80[\x02-\x05][\x28-\x95]"),
    _binary("a NumPy array", rb"\x93NUMPY"),
    _binary("an HDF5 file", rb"\x89HDF\r\n"),
    _binary("a GGUF model", rb"GGUF", lettered=True),
    _binary("a safetensors file", rb".{6}\0\0\{\""),
)
ANY = re.compile(b"|".join(b"(?:%s)" % binary.pattern.pattern for binary in BINARIES), re.DOTALL)
MACOS_METADATA = re.compile(rb"\0\x05\x16[\0\x07]|\0\0\0\x01Bud1")


def packing_of(head: bytes) -> str | None:
    """Return gz, bz2, xz, lzma, zst, zip or tar by the first bytes of a file; None for any other."""
    for name, pattern in PACKINGS.items():
        if pattern.match(head):
            return name
    return "tar" if is_tar(head) else None


def is_tar(head: bytes) -> bool:
    """Whether a file begins with the header of a tar member: with its magic, or with its checksum in old ones."""
    header = head[:512]
    if len(header) < 512 or not header[0]:
        return False
    if header[TAR_MAGIC] == b"ustar":
        return True
    digits = header[148:156].strip(b"\0 ")
    checksum = sum(header[:148]) + sum(header[156:]) + 8 * ord(" ")
    return digits.isdigit() and not digits.strip(b"01234567") and int(digits, 8) == checksum


def check_text(head: bytes, place: str, *, guess: bool) -> None:
    """Refuse a file that is not text by its first bytes.

    Args:
        head: The first bytes of the file.
        place: Name of the file, for messages.
        guess: Whether NUL and control bytes are evidence too; not for encodings that have them.

    Raises:
        NotTextError: It is a known format without text, or unknown binary data.
        ValueError: It surely holds text, in a form that is not read.
    """
    if MACOS_METADATA.match(head):
        raise MetadataError(place)
    odd = is_binary(head)
    for binary in BINARIES if ANY.match(head) else ():
        if binary.pattern.match(head) and (not binary.lettered or (guess and odd)):
            fault = f"{place} is {binary.name}"
            if binary.refused:
                raise ValueError(f"{fault}: {binary.remedy}")
            raise NotTextError(f"{fault}, not text{binary.remedy and f' ({binary.remedy})'}")
    if guess and odd and place.lower().endswith(".br"):
        raise ValueError(f"{place} is packed with Brotli: {UNPACK}")  # which has no signature
    if guess and odd:
        raise NotTextError(f"{place} is binary data, not text")


def is_binary(head: bytes) -> bool:
    """Whether more than a hundredth of the bytes are control characters, in data with NUL or invalid as UTF-8.

    Zeros at the end do not count: a text has them after a power cut.
    """
    if head and not head.strip(b"\0"):
        return True
    body = head.rstrip(b"\0")
    controls = len(body) - len(body.translate(None, CONTROLS))
    if 100 * controls <= len(body):
        return False
    if b"\0" in head:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # accepts a character cut off at the end
    except UnicodeDecodeError:
        return True
    return False
