"""Real texts for tests of filters, if the shared data is present."""

import gzip
import json
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import pytest

from lm.corpus import Document

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data")


@cache
def novels() -> tuple[str, ...]:
    with tarfile.open(DATA / "novels" / "novels_lean.tar.gz") as archive:
        files = [archive.extractfile(member) for member in archive if member.isfile()]
        return tuple(file.read().decode("utf-8-sig").replace("\r\n", "\n") for file in files)


@cache
def web_pages() -> tuple[str, ...]:
    lines = (DATA / "web_samples" / "c4_300.jsonl").read_text().splitlines()
    return tuple(json.loads(line)["text"] for line in lines)


@cache
def wikipedia() -> tuple[str, ...]:
    return tuple(filter(None, (DATA / "web_samples" / "wikipedia_30.txt").read_text().split("\n")))


@cache
def wikitext() -> str:
    with gzip.open(DATA / "wikitext2" / "train_head5k.txt.gz", "rt") as file:
        return file.read()


@cache
def declarations() -> dict[str, str]:
    """The Universal Declaration of Human Rights in nearly 400 languages, by code."""
    with zipfile.ZipFile(DATA / "nltk" / "udhr2.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        return {Path(name).stem: archive.read(name).decode() for name in names}


@cache
def install_guides() -> dict[str, str]:
    """One book in 18 languages; the Russian one is not UTF-8."""
    files = sorted((DATA / "debian_install_guide").glob("*.gz"))
    read = {file.name.split(".")[1]: gzip.decompress(file.read_bytes()) for file in files}
    return {language: content.decode() for language, content in read.items() if language != "ru"}


def documents(texts) -> list[Document]:
    return [Document(text, str(number)) for number, text in enumerate(texts)]


def parts(text: str, size: int) -> list[str]:
    """Cut a text into parts of `size` characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]
