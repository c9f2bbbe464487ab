"""Documents from the running Python's own library and documentation, without a download."""

import re
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from importlib.metadata import Distribution, distributions

from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_bytes, hash_file, hash_json
from lm.sources.python_library import group_of, help_topics, library_directory, library_files
from lm.sources.python_prose import compiled_modules, compiled_page, source_page


class PythonSource(Source):
    """The running Python: its standard library's modules (code); their docstrings and the help topics (prose).

    The docstrings of a module form one page. Its code and its page share a group, so neither is in training while
    the other is held out. Exact duplicates are dropped and counted.

    Args:
        tests: Whether to add the library's own test suites, which more than double the code.
        packages: Whether to add the long descriptions of the installed packages, which differ between machines.
    """

    def __init__(self, *, tests: bool = False, packages: bool = False):
        self.tests, self.packages = tests, packages

    def fingerprint(self) -> str:
        """Hash the files and the build of Python, which also identifies the compiled modules."""
        files = {file.relative: hash_file(file.path) for file in library_files(self.tests)}
        topics = library_directory() / "pydoc_data" / "topics.py"
        files["topics"] = hash_file(topics) if topics.is_file() else ""
        if self.packages:
            files |= {name: hash_bytes(text.encode()) for name, text in _descriptions()}
        return hash_json(["python", sys.version, compiled_modules(), files])

    def __iter__(self) -> Iterator[Document]:
        documents, tally = _documents(self.tests, self.packages)
        self.record_tally(tally)
        return iter(documents)


@cache
def _documents(tests: bool, packages: bool) -> tuple[tuple[Document, ...], Tally]:
    """The documents and what was left out. The process keeps them, some 15 MB: parsing takes seconds."""
    tally = Tally()
    return tuple(_without_duplicates(_read(tests, packages), tally)), tally


def _read(tests: bool, packages: bool) -> Iterator[Document]:
    files = library_files(tests)
    for file in files:
        yield Document(file.read(), file.relative, "code", file.group, "library")
    for topic in help_topics():
        yield Document(topic.text, f"topic {topic.name}", "prose", f"topic {topic.group}", "topics")
    for file in files:
        yield Document(source_page(file), f"module {file.module}", "prose", file.group, "docstrings")
    for name in compiled_modules():
        yield Document(compiled_page(name), f"module {name}", "prose", group_of(name), "docstrings")
    if packages:
        for name, text in _descriptions():
            yield Document(text, f"package {name}", "prose", f"package {name}", "packages")


def _without_duplicates(documents: Iterator[Document], tally: Tally) -> Iterator[Document]:
    """Yield the first document of each text, if it has text; count the others by kind."""
    seen: set[bytes] = set()
    for document in documents:
        if not document.text.strip():
            continue
        digest = blake2b(document.text.encode(), digest_size=16).digest()
        if digest in seen:
            tally.count(f"exact duplicates of kind {document.kind} were dropped")
            continue
        seen.add(digest)
        yield document


def _descriptions() -> list[tuple[str, str]]:
    """Names and long descriptions of the installed packages, by name."""
    texts = {_name(distribution): distribution.metadata.get_payload() for distribution in distributions()}
    return sorted((name, text) for name, text in texts.items() if isinstance(text, str) and text.strip())


def _name(distribution: Distribution) -> str:
    """A package's normalized name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "unnamed").lower()
