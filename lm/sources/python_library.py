"""The files of the running Python's standard library: text that every machine has, without a download."""

import os
import re
import sysconfig
import tokenize
from dataclasses import dataclass
from pathlib import Path

TESTS = {"test", "tests", "idle_test"}
# Written by the build of this very Python, with paths of a machine; and the text of the topics, which are
# documents of their own.
LEFT_OUT = re.compile(r"_sysconfigdata\w*|_sysconfig_vars\w*|pydoc_data/\w+")


@dataclass(frozen=True)
class LibraryFile:
    """A module of the standard library."""

    module: str  # json.decoder
    path: Path
    relative: str  # json/decoder.py

    @property
    def group(self) -> str:
        """What must be held out together with it."""
        return group_of(self.module)

    def read(self) -> str:
        """Its text, in the encoding that it declares."""
        with tokenize.open(self.path) as file:
            return file.read()


def group_of(module: str) -> str:
    """The name that modules which share text share: `decimal`, `_decimal` (in C) and `_pydecimal` are one.

    The codec tables under `encodings` are near-copies of one another and go together as well.
    """
    package, _, rest = module.partition(".")
    package = re.sub(r"^_(py_?)?", "", package) or package
    return package if package == "encodings" or not rest else f"{package}.{rest}"


def library_directory() -> Path:
    """Where the standard library's source lies."""
    directory = Path(sysconfig.get_paths()["stdlib"])
    if not (directory / "os.py").is_file():
        raise ValueError(
            f"this Python has no library source at {directory}, so corpus=python has nothing to read: use a "
            "full Python, or corpus=text with files of your own"
        )
    return directory


def library_files(tests: bool = False) -> list[LibraryFile]:
    """The modules written in Python, by name; `tests` adds the library's own test suites.

    Whatever is installed beside the library is not part of it: the names of those folders are no identifiers.
    """
    directory = library_directory()
    found = []
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name.isidentifier() and (tests or name not in TESTS)]
        for path in (Path(folder, name) for name in files if name.endswith(".py")):
            parts = path.relative_to(directory).with_suffix("").parts
            if path.stem.isidentifier() and not LEFT_OUT.fullmatch("/".join(parts)):
                module = ".".join(parts).removesuffix(".__init__")
                found.append(LibraryFile(module, path, "/".join(parts) + ".py"))
    return sorted(found, key=lambda file: file.relative)
