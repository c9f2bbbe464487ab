"""Speed of cleaning and selecting filters: `python tests/benchmark/cleaning.py [FILES]`.

Reads text files or the default corpus, on one core. Medians of interleaved rounds, so that noise of the machine affects
all filters alike.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from lm.corpus import Document
from lm.filter import Boilerplate, Clean, Language, LearnedQuality, Personal, WordList
from lm.sources import PythonSource, TextSource

ROUNDS = 7
MEGABYTES = 5
WORDS = 4000


def main() -> None:
    """Print MB/s and documents per second of each filter."""
    source = TextSource(sys.argv[1:], part_size=5000) if sys.argv[1:] else PythonSource()
    documents = list(first_documents(source))
    with TemporaryDirectory() as folder:
        filters = make_filters(Path(folder), documents)
        speeds = {name: [] for name in filters}
        size = sum(len(document.text.encode()) for document in documents) / 1e6
        for _ in range(ROUNDS):
            for name, filter in filters.items():
                started = perf_counter()
                for document in documents:
                    filter(document)
                speeds[name].append(perf_counter() - started)
    print(f"{len(documents)} documents, {size:.1f} MB")
    for name, times in speeds.items():
        print(f"{name:<16} {size / median(times):7.1f} MB/s  {len(documents) / median(times):9.0f} documents/s")


def first_documents(source) -> Iterator[Document]:
    """Yield documents of MEGABYTES in total, cut to the length of web pages."""
    read = 0
    for document in source:
        for start in range(0, len(document.text), 5000):
            part = document.text[start : start + 5000]
            yield Document(part, document.id)
            read += len(part)
        if read > MEGABYTES * 1e6:
            return


def make_filters(folder: Path, documents: list[Document]) -> dict:
    """Make each filter with its defaults; word list and examples are made of the documents."""
    rare = {word for document in documents for word in document.text.split() if word.isalpha() and len(word) > 6}
    listed = (word + "zz" if place % 5 else f"{word} {word}x" for place, word in enumerate(sorted(rare)[:WORDS]))
    (folder / "words.txt").write_text("\n".join(listed))
    halves = [document.text for document in documents[::2]], [document.text[::-1] for document in documents[1::2]]
    for name, texts in zip(("good", "random"), halves, strict=True):
        (folder / f"{name}.txt").write_text("<|next|>".join(texts))
    sources = [TextSource(str(folder / f"{name}.txt"), separator="<|next|>") for name in ("good", "random")]
    learned = LearnedQuality(good=sources[0], random=sources[1], quantile=0.3)
    print(f"LearnedQuality, text against reversed text, balanced accuracy: {learned.accuracy:.3f}")
    return {
        "Clean": Clean(),
        "Boilerplate": Boilerplate(),
        "Personal": Personal(),
        "Language": Language(),
        "WordList": WordList(path=str(folder / "words.txt")),
        "LearnedQuality": learned,
    }


if __name__ == "__main__":
    main()
