"""The same content in several languages, to see what a vocabulary charges each of them for it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from lm.files import hash_file, hash_json
from lm.sources.members import find_files, open_members

PAIR = re.compile(r"(?P<stem>.*?)(?P<one>[A-Za-z_]+)-(?P<other>[A-Za-z_]+)\.(?P<language>[A-Za-z_]+)(?:\.(?:gz|zst))?")


class Aligned(ABC):
    """Texts in languages, each beside the same in the language `reference`; read anew at each iteration."""

    reference: str
    files: list[Path]

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """(language, its texts, the same in the reference language) by language."""

    def fingerprint(self) -> str:
        """Hash of what is read."""
        return hash_json([self.reference, [[file.name, hash_file(file)] for file in self.files]])


class SentencePairs(Aligned):
    """Files of sentences that say the same in the same line: NAME.deu-eng.deu beside NAME.deu-eng.eng.

    So OPUS, Tatoeba and the shared tasks of WMT give them (the Moses format), alone or in one archive. Pairs without
    the language `reference` are left out.
    """

    def __init__(self, path: str | list[str], *, reference: str = "eng"):
        self.files, self.reference = find_files(path, key="aligned.path"), reference

    def __iter__(self) -> Iterator[tuple[str, list[str], list[str]]]:
        read: dict[tuple[str, str, str], dict[str, list[str]]] = {}
        for file in self.files:
            for name, stream in open_members(file):
                found = PAIR.fullmatch(Path(name).name)
                if found and self.reference in (found["one"], found["other"]):
                    lines = _lines(b"".join(stream).decode("utf-8", errors="replace"))
                    read.setdefault(found.group("stem", "one", "other"), {})[found["language"]] = lines
        languages: dict[str, tuple[list[str], list[str]]] = {}
        for (stem, one, other), sides in sorted(read.items()):
            language = other if one == self.reference else one
            if sides.keys() != {language, self.reference}:
                missing = next(iter({language, self.reference} - sides.keys()))
                raise ValueError(f"aligned.path: {stem}{one}-{other}.{missing} is missing beside its other side")
            theirs, ours = sides[language], sides[self.reference]
            if len(theirs) != len(ours):
                raise ValueError(
                    f"aligned.path: {stem}{one}-{other} has {len(theirs)} lines of {language} and {len(ours)} of "
                    f"{self.reference}: a line must say the same in both"
                )
            mine = languages.setdefault(language, ([], []))
            mine[0].extend(theirs)
            mine[1].extend(ours)
        if not languages:
            raise ValueError(
                f"aligned.path: no file is named like x.deu-{self.reference}.deu: give pairs of languages with "
                f"{self.reference}, or set aligned.reference"
            )
        for language, (theirs, ours) in sorted(languages.items()):
            for name, side in ((language, theirs), (self.reference, ours)):
                if not any(map(str.strip, side)):
                    raise ValueError(f"aligned.path: of {language}-{self.reference}, {name} has no text in it")
            yield language, theirs, ours


class Editions(Aligned):
    """One file a language with the same content, as a book in translation; `{language}` stands in the path for its
    name: books/install.{language}.txt.gz.

    Coarser than sentences: translations differ in length, and may be unfinished.
    """

    def __init__(self, path: str, *, reference: str = "en"):
        if path.count("{language}") != 1:
            raise ValueError(f"aligned.path {path}: write {{language}} where the file's name has the language, once")
        before, after = str(Path(path).expanduser()).split("{language}")
        self.reference = reference
        self.files = find_files(f"{before}*{after}", key="aligned.path")
        names = re.compile(re.escape(before) + r"([\w-]+)" + re.escape(after))
        self.names = {found[1]: file for file in self.files if (found := names.fullmatch(str(file)))}
        if reference not in self.names:
            raise ValueError(
                f"aligned.reference={reference}: there is no {path.replace('{language}', reference)}; "
                f"there is {', '.join(self.names)}"
            )

    def __iter__(self) -> Iterator[tuple[str, list[str], list[str]]]:
        ours = _read(self.names[self.reference])
        for language, file in sorted(self.names.items()):
            if language != self.reference:
                yield language, [_read(file)], [ours]


def _read(file: Path) -> str:
    text = "".join(b"".join(stream).decode("utf-8", errors="replace") for _, stream in open_members(file))
    if not text.strip():
        raise ValueError(f"aligned.path: {file} has no text in it")
    return text


def _lines(text: str) -> list[str]:
    """Lines as the file has them; Python's own would also end at marks that stand inside a sentence."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
