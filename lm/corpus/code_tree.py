"""Documents from the source files below a folder."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lm.corpus.document import Document, Source
from lm.corpus.licence_header import COMMENTS, cut_licence
from lm.files import hash_bytes, hash_json

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

    def fingerprint(self) -> str:
        options = [sorted(self.extensions), self.largest, self.licence_headers, self.kind]
        files = [[name, hash_bytes((self.folder / name).read_bytes())] for name in self._names(Counter())]
        return hash_json(["code_tree", options, files])

    def __iter__(self) -> Iterator[Document]:
        left_out: Counter[str] = Counter()
        replaced = 0
        for name in self._names(left_out):
            data = (self.folder / name).read_bytes()
            if b"\0" in data:
                left_out["with a NUL byte, so binary,"] += 1
                continue
            text = data.decode("utf-8", errors="replace").removeprefix("\ufeff").replace("\r\n", "\n")
            replaced += text.count("�") - data.count("�".encode()) if "�" in text else 0
            if self.licence_headers == "cut":
                text = cut_licence(text, ending=_ending(name))
            if not text.strip():
                left_out["without any text"] += 1
                continue
            yield Document(text, name, self.kind, source=str(self.folder))
        self.notes = tuple(f"{count} files {what} were left out" for what, count in sorted(left_out.items()))
        self.notes += (f"{replaced} runs of bytes were no UTF-8 and became �",) * bool(replaced)

    def _names(self, left_out: Counter[str]) -> list[str]:
        """The files to read, sorted, by their paths below the folder; counts those that are too large."""
        names = []
        for path in self._walk():
            if path.stat().st_size > self.largest:
                left_out[f"over {self.largest} bytes"] += 1
            else:
                names.append(path.relative_to(self.folder).as_posix())
        if not names and not left_out:
            some = ", ".join(sorted(self.extensions)[:5])
            raise ValueError(
                f"corpus.path {self.folder} has no file of corpus.extensions ({some}, …) that .gitignore leaves: "
                "extensions begin with a dot, as [.py,.rs]"
            )
        return sorted(names)

    def _walk(self) -> Iterator[Path]:
        from lm.corpus.ignored import Ignored  # pathspec, which nothing else needs

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
