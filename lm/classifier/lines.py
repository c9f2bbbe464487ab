"""Files with a text a line, whose names may say what the texts are, as those of ToxiGen's demonstrations."""

import re
from pathlib import Path

from lm.corpus.tally import Tally
from lm.sources.encoding import Encoding
from lm.sources.file_formats import MetadataError
from lm.sources.members import open_members

YES = {"1", "true", "yes", "toxic", "hateful", "hate", "offensive", "abusive"}
NO = {
    "0",
    "false",
    "no",
    "not toxic",
    "non-toxic",
    "nontoxic",
    "non-hateful",
    "not hateful",
    "neutral",
    "normal",
    "none",
}


def text_lines(file: Path, *, encoding: str, key: str) -> list[tuple[str, str, str]] | None:
    """Return (name of the file, place, line) of a file of lines, or of an archive of such; None for another file.

    Args:
        file: The file, which may be packed.
        encoding: Its encoding.
        key: Config key of the encoding, for messages.
    """
    found: list[tuple[str, str, str]] = []
    for name, packed in open_members(file):
        if not re.search(r"\.te?xt(\.\w+)?$", name.lower()):
            return found or None
        place = str(file.parent / name)
        try:
            stream = Encoding(encoding, key=key).utf8(packed, name=place, tally=Tally())
        except MetadataError:
            continue
        lines = _decoded(stream.read(), place, key).splitlines()
        found += [(Path(name).name, f"{place}:{number}", line) for number, line in enumerate(lines, start=1)]
    return found


def label_of(name: str) -> bool | None:
    """Return whether a word, or the first word of the name of a file, means toxic; None where it means neither."""
    word = name.strip().lower()
    if word not in YES | NO:
        word = re.split(r"[_\W]", word)[0]
    return word in YES if word in YES | NO else None


def _decoded(content: bytes, place: str, key: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{place} is not UTF-8 ({error.reason}): set {key}, as {key}=windows-1252") from None
