"""Documents from the source files below a folder."""

import os
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Literal, Self

from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_bytes, hash_json
from lm.sources.file_source import grouped
from lm.sources.licence_header import COMMENTS, cut_licence

SKIPPED = {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".tox"}


class CodeTree(Source):
    """One document a source file, named by its path below the folder, in the order of these names.

    Read are files of these `extensions` (an entry without a dot, as Makefile, is a whole name), or of those of the
    common languages. Left out are what .gitignore files in the tree say, version control, node_modules, files over
    `largest` bytes, binaries (with a NUL byte), and symbolic links: what they show within the tree is read where it
    lies, and what is outside is not of the tree. `licence_headers=cut` takes the first comment away if it is a
    licence. CRLF becomes LF, a byte order mark is dropped; bytes that are no UTF-8 become � and are counted.
    """

    def __init__(
        self,
        path: str,
        *,
        extensions: list[str] | None = None,
        largest: int = 1_000_000,
        licence_headers: Literal["keep", "cut"] = "keep",
        kind: str = "code",
    ):
        self.folder = Path(path).expanduser()
        if not self.folder.is_dir():
            what = "is a file" if self.folder.exists() else "does not exist"
            raise ValueError(f"corpus.path {path} {what}: name a folder with source files (looked from {Path.cwd()})")
        if extensions is not None and not extensions:
            raise ValueError("corpus.extensions is empty: name some, as [.py,.rs], or null for the common ones")
        if largest < 1:
            raise ValueError(f"corpus.largest {largest} is no size: give bytes, for example 1000000")
        self.extensions = frozenset(COMMENTS if extensions is None else extensions)
        self.largest, self.licence_headers, self.kind = largest, licence_headers, kind
        self._share: list[Path] | None = None  # the files of a part; None: all

    def fingerprint(self) -> str:
        options = [sorted(self.extensions), self.largest, self.licence_headers, self.kind]
        small = [path for path in self._files() if not self._is_large(path)]
        return hash_json(["code_tree", options, [[self._name(path), hash_bytes(path.read_bytes())] for path in small]])

    def parts(self, size: int) -> Sequence[Self]:
        parts = []
        for files in grouped(self._files(), size):
            part = copy(self)
            part._share = files
            parts.append(part)
        return parts

    def __iter__(self) -> Iterator[Document]:
        tally = Tally()
        for path in self._files():
            if self._is_large(path):
                tally.count(f"files over {self.largest} bytes were left out")
                continue
            data = path.read_bytes()
            if b"\0" in data:
                tally.count("files with a NUL byte, so binary, were left out")
                continue
            text = data.decode("utf-8", errors="replace").removeprefix("\ufeff").replace("\r\n", "\n")
            if "�" in text:
                tally.count("runs of bytes were no UTF-8 and became �", text.count("�") - data.count("�".encode()))
            if self.licence_headers == "cut":
                text = cut_licence(text, ending=_ending(path.name))
            if not text.strip():
                tally.count("files without any text were left out")
                continue
            yield Document(text, self._name(path), self.kind, source=str(self.folder))
        self.tell(tally)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _is_large(self, path: Path) -> bool:
        return path.stat().st_size > self.largest

    def _files(self) -> list[Path]:
        """Files of the wanted extensions, in the order of their paths below the folder, too large ones among them."""
        files = sorted(self._walk(), key=self._name) if self._share is None else self._share
        if not files:
            some = ", ".join(sorted(self.extensions)[:5])
            raise ValueError(
                f"corpus.path {self.folder} has no file of corpus.extensions ({some}, …) that .gitignore leaves: "
                "extensions begin with a dot, as [.py,.rs]"
            )
        return files

    def _walk(self) -> Iterator[Path]:
        from lm.sources.ignored import Ignored  # pathspec, which nothing else needs

        def below(folder: Path, above: Ignored | None) -> Iterator[Path]:
            ignored = Ignored.within(folder, above)
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
                wanted = entry.name not in SKIPPED if is_folder else self._is_wanted(entry)
                if not wanted or ignored.matches(path, is_folder=is_folder):
                    continue
                if is_folder:
                    yield from below(path, ignored)
                else:
                    yield path

        yield from below(self.folder, None)

    def _is_wanted(self, entry: os.DirEntry) -> bool:
        return entry.is_file(follow_symlinks=False) and _ending(entry.name) in self.extensions


def _ending(name: str) -> str:
    """.py of a/b.PY, Makefile of a/Makefile: that by which the language is known."""
    path = Path(name)
    return path.name if path.name in COMMENTS or not path.suffix else path.suffix.lower()
