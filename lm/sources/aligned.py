"""Parallel texts, to compare what a vocabulary costs each language."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from lm.corpus.tally import Tally
from lm.files import hash_file, hash_json
from lm.sources.byte_streams import Readable
from lm.sources.encoding import Encoding
from lm.sources.file_formats import MetadataError
from lm.sources.file_patterns import find_files
from lm.sources.file_source import MACOS, REPLACED
from lm.sources.members import open_members

PAIR = re.compile(
    r"(?P<stem>.*?)(?P<one>[A-Za-z_]+)-(?P<other>[A-Za-z_]+)\.(?P<language>[A-Za-z_]+)(?:\.(?:gz|zst|bz2|xz))?"
)


class Aligned(ABC):
    """Texts in several languages, each paired with the same content in `reference`; read again at each iteration."""

    reference: str
    files: list[Path]
    encoding: Encoding
    notes: tuple[str, ...] = ()  # what the last reading changed or skipped

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield (language, its texts, the same texts in the reference language), sorted by language."""

    def fingerprint(self) -> str:
        """Hash of the reference language, the encoding and the files."""
        files = [[file.name, hash_file(file)] for file in self.files]
        return hash_json([self.reference, *self.encoding.identity(), files])

    def _text(self, stream: Readable, place: str, tally: Tally) -> str | None:
        """Return a text, with what is invalid replaced and counted; None for a file that macOS added."""
        try:
            data = self.encoding.utf8(stream, name=place, tally=tally).read()
        except MetadataError:
            tally.count(MACOS, where=place)
            return None
        text = data.decode("utf-8", errors="replace")
        tally.count(REPLACED, text.count("�") - data.count("�".encode()), where=place)
        return text


class SentencePairs(Aligned):
    """Sentence pairs in the Moses format, line by line: NAME.deu-eng.deu beside NAME.deu-eng.eng.

    OPUS, Tatoeba and the WMT shared tasks publish this format, as files or in one archive. Language pairs without
    the reference language are skipped.

    Args:
        path: A file or glob pattern, or a list of them; archives are unpacked.
        reference: Code of the language that all others are compared with, as in the file names.
        encoding: A codec of Python, such as windows-1252. UTF-16 and UTF-32 are recognized.
    """

    def __init__(self, path: str | list[str], *, reference: str = "eng", encoding: str = "utf-8"):
        self.files, self.reference = find_files(path, key="aligned.path"), reference
        self.encoding = Encoding(encoding, key="aligned.encoding")

    def __iter__(self) -> Iterator[tuple[str, list[str], list[str]]]:
        pairs: dict[tuple[str, str, str], dict[str, list[str]]] = {}
        tally = Tally()
        for file in self.files:
            for name, stream in open_members(file):
                match = PAIR.fullmatch(Path(name).name)
                if match and self.reference in (match["one"], match["other"]):
                    text = self._text(stream, str(file.parent / name), tally)
                    if text is not None:
                        pairs.setdefault(match.group("stem", "one", "other"), {})[match["language"]] = _lines(text)
        self.notes = tally.notes()
        languages: dict[str, tuple[list[str], list[str]]] = {}
        for (stem, one, other), sides in sorted(pairs.items()):
            language = other if one == self.reference else one
            if sides.keys() != {language, self.reference}:
                missing = next(iter({language, self.reference} - sides.keys()))
                raise ValueError(
                    f"aligned.path: {stem}{one}-{other}.{missing} is missing: a pair needs both of its files"
                )
            theirs, ours = sides[language], sides[self.reference]
            if len(theirs) != len(ours):
                raise ValueError(
                    f"aligned.path: {stem}{one}-{other} has {len(theirs)} lines of {language} and {len(ours)} of "
                    f"{self.reference}: line n must have the same content in both"
                )
            texts = languages.setdefault(language, ([], []))
            texts[0].extend(theirs)
            texts[1].extend(ours)
        if not languages:
            raise ValueError(
                f"aligned.path: no file name has the form x.deu-{self.reference}.deu: give language pairs with "
                f"{self.reference}, or set aligned.reference"
            )
        for language, (theirs, ours) in sorted(languages.items()):
            for name, side in ((language, theirs), (self.reference, ours)):
                if not any(map(str.strip, side)):
                    raise ValueError(f"aligned.path: the {name} side of {language}-{self.reference} has no text")
            yield language, theirs, ours


class Editions(Aligned):
    """Translations of one text: one file per language with the same content, such as a book.

    Coarser than sentence pairs: translations differ in length and may be incomplete.

    Args:
        path: Path with `{language}` in place of the language, such as books/install.{language}.txt.gz.
        reference: Name of the language that all others are compared with, as in the file names.
        encoding: A codec of Python, such as windows-1252. UTF-16 and UTF-32 are recognized.
    """

    def __init__(self, path: str, *, reference: str = "en", encoding: str = "utf-8"):
        if path.count("{language}") != 1:
            raise ValueError(f"aligned.path {path}: write {{language}} once, in place of the language in the file name")
        before, after = str(Path(path).expanduser()).split("{language}")
        self.reference, self.encoding = reference, Encoding(encoding, key="aligned.encoding")
        self.files = find_files(f"{before}*{after}", key="aligned.path")
        names = re.compile(re.escape(before) + r"([\w-]+)" + re.escape(after))
        self.names = {match[1]: file for file in self.files if (match := names.fullmatch(str(file)))}
        if reference not in self.names:
            raise ValueError(
                f"aligned.reference={reference}: {path.replace('{language}', reference)} does not exist; "
                f"the languages are {', '.join(self.names)}"
            )
        if len(self.names) == 1:
            raise ValueError(f"aligned.path {path}: there is no language but {reference}: give others to compare with")

    def __iter__(self) -> Iterator[tuple[str, list[str], list[str]]]:
        tally = Tally()
        ours = self._read(self.names[self.reference], tally)
        for language, file in sorted(self.names.items()):
            if language != self.reference:
                yield language, [self._read(file, tally)], [ours]
        self.notes = tally.notes()

    def _read(self, file: Path, tally: Tally) -> str:
        texts = [self._text(stream, str(file.parent / name), tally) for name, stream in open_members(file)]
        text = "".join(filter(None, texts))
        if not text.strip():
            raise ValueError(f"aligned.path: {file} has no text")
        return text


def _lines(text: str) -> list[str]:
    """Split at LF and CRLF only; str.splitlines would also split at separators within a sentence."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
