"""The text that comes with Python: the standard library's files and the help topics."""

import os
import re
import sysconfig
import tokenize
from dataclasses import dataclass
from pathlib import Path

TESTS = {"test", "tests", "idle_test"}
# Files that the build of this Python wrote, with paths of its machine; and the text of the help topics, which are
# documents of their own.
LEFT_OUT = re.compile(r"_sysconfigdata\w*|_sysconfig_vars\w*|pydoc_data/\w+")
SHARED = 100  # characters: two topics that share a paragraph of this length do not do so by chance


@dataclass(frozen=True)
class LibraryFile:
    """A module of the standard library."""

    module: str  # json.decoder
    path: Path
    relative: str  # json/decoder.py

    @property
    def group(self) -> str:
        """Name of the group of documents that are held out together."""
        return group_of(self.module)

    def read(self) -> str:
        """Read the text in the encoding that the file declares."""
        with tokenize.open(self.path) as file:
            return file.read()


def group_of(module: str) -> str:
    """Name the group of modules that share text: `decimal`, `_decimal` (in C) and `_pydecimal` are one group.

    The codec tables in `encodings` are near-duplicates of one another and form one group too.
    """
    package, _, rest = module.partition(".")
    package = re.sub(r"^_(py_?)?", "", package) or package
    return package if package == "encodings" or not rest else f"{package}.{rest}"


def library_directory() -> Path:
    """The directory with the standard library's source."""
    directory = Path(sysconfig.get_paths()["stdlib"])
    if not (directory / "os.py").is_file():
        raise ValueError(
            f"this Python has no library source at {directory}, which corpus=python reads: use a "
            "full Python, or corpus=text with files of your own"
        )
    return directory


def library_files(tests: bool = False) -> list[LibraryFile]:
    """List the modules written in Python, sorted by path; `tests` adds the library's own test suites.

    site-packages is excluded: the names of such folders are not identifiers.
    """
    directory = library_directory()
    library = []
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name.isidentifier() and (tests or name not in TESTS)]
        for path in (Path(folder, name) for name in files if name.endswith(".py")):
            parts = path.relative_to(directory).with_suffix("").parts
            if path.stem.isidentifier() and not LEFT_OUT.fullmatch("/".join(parts)):
                module = ".".join(parts).removesuffix(".__init__")
                library.append(LibraryFile(module, path, "/".join(parts) + ".py"))
    return sorted(library, key=lambda file: file.relative)


@dataclass(frozen=True)
class Topic:
    """A chapter of the language reference, as `help("LOOPING")` shows it. Chapters that share text share a group."""

    name: str
    text: str
    group: str


def help_topics() -> list[Topic]:
    """List all topics by name; empty where a minimal distribution of Python omits them."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return []
    groups = _groups(topics)
    return [Topic(name, text, groups[name]) for name, text in sorted(topics.items())]


def _groups(topics: dict[str, str]) -> dict[str, str]:
    """Group the topics that share a long paragraph, directly or through others (union-find)."""
    parent = {name: name for name in topics}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    first: dict[str, str] = {}
    for name, text in sorted(topics.items()):
        for paragraph in text.split("\n\n"):
            words = " ".join(paragraph.split())
            if len(words) >= SHARED:
                one, other = sorted((root(first.setdefault(words, name)), root(name)))
                parent[other] = one
    return {name: root(name) for name in topics}
