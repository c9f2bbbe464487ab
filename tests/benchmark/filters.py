"""Speed of the published filters, ours and datatrove's: `python tests/benchmark/filters.py web.jsonl`.

Interleaved rounds on one core. datatrove splits words and sentences with spaCy: `pip install datatrove spacy`.
"""

import sys
from statistics import median
from time import perf_counter

from datatrove.data import Document as TheirDocument
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import split_into_parts

from lm.corpus import Document
from lm.filter import C4Quality, CodeQuality, FineWebQuality, GopherQuality, GopherRepetition
from lm.sources import JsonlSource

ROUNDS = 5
PAIRS = {
    "GopherQuality": (GopherQuality(), GopherQualityFilter()),
    "GopherRepetition": (GopherRepetition(), GopherRepetitionFilter()),
    "C4Quality": (C4Quality(), C4QualityFilter()),
    "FineWebQuality": (FineWebQuality(), FineWebQualityFilter()),
    "CodeQuality": (CodeQuality(), None),
}


def main(paths: list[str]) -> None:
    """Print MB/s of each filter, one text at a time, and the ratio to datatrove's."""
    texts = [document.text for path in paths for document in JsonlSource(path)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} texts, {size:.1f} MB, medians of {ROUNDS} rounds")
    speeds = {name: ([], []) for name in PAIRS}
    for _ in range(ROUNDS):
        for name, (ours, theirs) in PAIRS.items():
            documents = [Document(text, "") for text in texts]
            started = perf_counter()
            for document in documents:
                ours(document)
            speeds[name][0].append(size / (perf_counter() - started))
            if theirs is None:
                continue
            documents = [TheirDocument(text=text, id="") for text in texts]
            split_into_parts.cache_clear()  # it caches the last five texts
            started = perf_counter()
            for document in documents:
                theirs.filter(document)
            speeds[name][1].append(size / (perf_counter() - started))
    for name, (ours, theirs) in speeds.items():
        ratio = f"{median(theirs):7.2f} MB/s {median(ours) / median(theirs):6.1f}×" if theirs else "      -"
        print(f"{name:<18} {median(ours):7.1f} MB/s   datatrove {ratio}")


if __name__ == "__main__":
    main(sys.argv[1:])
