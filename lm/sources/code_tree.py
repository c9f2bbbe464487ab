"""Documents from the source files below a folder."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from lm.corpus import Document
from lm.corpus.tally import Tally
from lm.files import hash_file, hash_json
from lm.sources.encoding import Encoding
from lm.sources.file_source import BINARY, REPLACED, FileSource
from lm.sources.licence_header import COMMENTS, cut_licence

if TYPE_CHECKING:
    import pathspec  # optional: only this source needs it

SKIPPED = {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".tox"}


class CodeTree(FileSource):
    """Source files below a folder: one document per file, named by its path, in the order of the paths.

    Skipped are files that a .gitignore of the tree names, version control, node_modules, files over `max_file_bytes`,
    binaries, and symbolic links: a link into the tree would repeat a file, a link out of it would leave the tree. CRLF
    becomes LF, a byte order mark is removed, and invalid UTF-8 becomes � and is counted.

    Args:
        path: Folder that holds the source files.
        extensions: File extensions to read, with their dot; an entry without a dot, such as Makefile, is a whole
            file name. null: those of the common languages, without prose such as .md.
        max_file_bytes: Largest file to read, in bytes; larger ones are mostly data or generated.
        licence_headers: `cut` removes the first comment of a file if it is a licence, which says the same in
            thousands of files; `keep` leaves files as they are.
        kind: Kind of the documents; bits per byte are reported per kind.
        encoding: A codec of Python, such as windows-1252, or `detect` to guess each file's own. UTF-16 and UTF-32
            are recognized by a byte order mark or their NUL bytes.
    """

    def __init__(
        self,
        path: str,
        *,
        extensions: list[str] | None = None,
        max_file_bytes: int = 1_000_000,
        licence_headers: Literal["keep", "cut"] = "keep",
        kind: str = "code",
        encoding: str = "utf-8",
    ):
        self.found, self.encoding = Tally(), Encoding(encoding)
        self.bad_files = sys.maxsize  # a tree may hold data with the extension of a language
        self.folder = Path(path).expanduser()
        if not self.folder.is_dir():
            state = "is a file" if self.folder.exists() else "does not exist"
            raise ValueError(
                f"corpus.path {path} {state} (working directory {Path.cwd()}): name a folder with source files"
            )
        if extensions is not None and not extensions:
            raise ValueError("corpus.extensions is empty: name some, as [.py,.rs], or null for the common ones")
        if max_file_bytes < 1:
            raise ValueError(f"corpus.max_file_bytes {max_file_bytes} is below 1: give bytes, for example 1000000")
        self.extensions = frozenset(COMMENTS if extensions is None else extensions)
        self.max_file_bytes, self.licence_headers, self.kind = max_file_bytes, licence_headers, kind
        self.files = sorted(self._walk(self.folder), key=self._name)
        if closed := [file for file in self.files if not os.access(file, os.R_OK)]:
            raise ValueError(f"corpus.path {self.folder}: {closed[0]} cannot be read: get access to it")
        if not self.files:
            examples = ", ".join(sorted(self.extensions)[:5])
            raise ValueError(
                f"corpus.path {self.folder} has no file with one of corpus.extensions ({examples}, …) that no "
                ".gitignore names: extensions begin with a dot, as [.py,.rs]"
            )

    def fingerprint(self) -> str:
        options = [
            sorted(self.extensions),
            self.max_file_bytes,
            self.licence_headers,
            self.kind,
            *self.encoding.identity(),
        ]
        return hash_json(["code_tree", options, self.content()])

    def content(self) -> list[list[str]]:
        return [[self._name(file), hash_file(file)] for file in self.files if not self._is_large(file)]

    def read(self, file: Path, tally: Tally) -> Iterator[Document]:
        if self._is_large(file):
            tally.count(f"files over {self.max_file_bytes} bytes were skipped")
            return
        with file.open("rb") as packed:
            stream = self.text(packed, file, tally)
            if stream is None:
                return
            data = stream.read()
        if b"\0" in data:
            tally.count(BINARY, where=f"{file} has NUL bytes")
            return
        text = data.decode("utf-8", errors="replace").replace("\r\n", "\n")
        if "�" in text:
            tally.count(REPLACED, text.count("�") - data.count("�".encode()), where=str(file))
        if self.licence_headers == "cut":
            text = cut_licence(text, extension=_extension(file.name))
        if text.strip():
            yield Document(text, self._name(file), self.kind, source=str(self.folder))
        else:
            tally.count("files without text were skipped")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _is_large(self, path: Path) -> bool:
        return path.stat().st_size > self.max_file_bytes

    def _walk(self, folder: Path, above: "GitIgnore | None" = None) -> Iterator[Path]:
        """Yield the files with one of the extensions that no .gitignore names, oversized ones included."""
        try:
            ignored = GitIgnore.of(folder, above)
            with os.scandir(folder) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise ValueError(
                f"corpus.path {self.folder}: {error.filename} cannot be read ({error.strerror}): get access to it, or "
                "name it in a .gitignore"
            ) from None
        for entry in entries:
            path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
            selected = entry.name not in SKIPPED if is_folder else self._is_selected(entry)
            if not selected or ignored.matches(path, is_folder=is_folder):
                continue
            if is_folder:
                yield from self._walk(path, ignored)
            else:
                yield path

    def _is_selected(self, entry: os.DirEntry) -> bool:
        return entry.is_file(follow_symlinks=False) and _extension(entry.name) in self.extensions


@dataclass(frozen=True)
class GitIgnore:
    """The .gitignore patterns that apply in a folder: its own, and those of the folders above it within the tree.

    Patterns above the tree, the user's own and .git/info/exclude are not read, so that a tree means the same on every
    machine.
    """

    folder: Path
    patterns: "pathspec.GitIgnoreSpec"
    above: Self | None = None

    @classmethod
    def of(cls, folder: Path, above: Self | None = None) -> Self:
        import pathspec

        file = folder / ".gitignore"
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
        return cls(folder, pathspec.GitIgnoreSpec.from_lines(lines), above)

    def matches(self, path: Path, *, is_folder: bool) -> bool:
        """Return True if `path` is ignored: the nearest .gitignore with a matching pattern decides."""
        name = path.relative_to(self.folder).as_posix() + "/" * is_folder
        included = self.patterns.check_file(name).include
        if included is None:
            return self.above is not None and self.above.matches(path, is_folder=is_folder)
        return included


def _extension(name: str) -> str:
    """`.py` for a/b.PY, `Makefile` for a/Makefile: what identifies the language."""
    path = Path(name)
    return path.name if path.name in COMMENTS or not path.suffix else path.suffix.lower()
