"""Text files as they lie on a disk: a book, several, or a folder of notes."""

from pathlib import Path

from lm.bounds import Count, Natural
from lm.sources.file_patterns import find_files
from lm.sources.text import TextSource

PARTS = 40  # at least; 5 % of them are held out
SMALLEST, LARGEST = 200, 20_000  # characters of a part
# How names end of files that hold records rather than text → the option of the group corpus that reads them.
READERS = dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl") | dict.fromkeys((".csv", ".tsv", ".parquet"), "table")
READERS |= dict.fromkeys((".html", ".htm"), "html")
PACKED = (".gz", ".bz2", ".xz", ".zst")


def reader_of(file: Path) -> str:
    """The option of the group corpus that reads a file with records, by its name; "" for text."""
    suffix = next((each.lower() for each in reversed(file.suffixes) if each.lower() not in PACKED), "")
    return READERS.get(suffix, "")


def own_text(
    path: str | list[str],
    *,
    separator: str | None = None,
    part_size: Count | None = None,
    kind: str = "prose",
    encoding: str = "utf-8",
    bad_files: Natural = 10,
) -> TextSource:
    """Read text files and folders, cut into parts small enough that even one short file has a held-out part.

    `TextSource` keeps each file whole by default, which suits a corpus of many files.

    Args:
        path: A file, folder or glob pattern, or a list of them. Of a folder all files are read, those of folders in it
            too, but for hidden ones; .gz, .bz2, .xz, .zst, .tar and .zip are unpacked.
        separator: Characters between documents, such as '<|endoftext|>'; null: a file is one document.
        part_size: Characters of a part; null takes a fortieth of all files, at least 200 and at most 20,000.
        kind: Kind of the documents; bits per byte are reported per kind.
        encoding: A codec of Python, such as windows-1252, or `detect` to guess each file's own.
        bad_files: Maximum number of files and archive members to skip because they are not text, such as images.

    Returns:
        The source of the parts.

    Raises:
        ValueError: A file does not exist, cannot be read, or holds records in a format that another source reads.
    """
    given = [path] if isinstance(path, str) else list(path)
    patterns = [f"{each.rstrip('/')}/**/*" if Path(each).expanduser().is_dir() else each for each in given]
    files = find_files(patterns)
    for file in files:
        if reader := reader_of(file):
            raise ValueError(f"corpus.path {file} holds records, not plain text: read it with corpus={reader}")
    size = sum(file.stat().st_size for file in files)
    if not size:
        raise ValueError(f"corpus.path {', '.join(given)}: there is no text in {len(files)} empty file(s)")
    return TextSource(
        patterns,
        separator=separator,
        part_size=part_size or min(LARGEST, max(SMALLEST, size // PARTS)),
        break_lines=True,
        kind=kind,
        encoding=encoding,
        bad_files=bad_files,
    )
