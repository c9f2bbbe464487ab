"""Read a corpus once before the work: count it, and give every kind held-out documents.

Reading is about fifty times faster than tokenizing, so this second reading costs about 2 %. It reports an unreadable
line before the work rather than in the middle of it, and gives progress bars their total. One reading would not do:
which documents are held out depends on all of them, because a kind in which the hash holds none out gives its lowest.
A copy of the documents on disk would save the reading at the price of the corpus's size; corpus=funnel keeps one.
"""

import re
from dataclasses import dataclass, field

from lm.corpus.document import Source
from lm.corpus.split import Split, hash_fraction
from lm.progress import track

MAX_KINDS = 100


@dataclass
class Survey:
    """Documents and UTF-8 bytes of a source by kind."""

    documents: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    @property
    def total_documents(self) -> int:
        return sum(self.documents.values())

    @property
    def total_bytes(self) -> int:
        return sum(self.bytes.values())


def survey(source: Source, split: Split) -> tuple[Survey, Split]:
    """Count the documents of `source`, and give `split` a floor so that every kind has a held-out document.

    In a kind where the hash holds none out, the document of the lowest hash fraction is held out, with its group. With
    a share of 0 nothing is held out.

    Raises:
        ValueError: The corpus is empty, has more than 100 kinds, a kind cannot be part of a file name, or holding one
            document out would leave a kind without training documents.
    """
    source.prepare()
    counts = Survey()
    lowest: dict[str, float] = {}
    trained: dict[str, set[float]] = {}  # hash fractions left to training, up to as many as a floor could take
    for document in track(source, label="reading", unit="documents"):
        kind, fraction = document.kind, hash_fraction(document)
        if kind not in counts.documents:
            _check_kind(kind, document.id, len(counts.documents))
        counts.documents[kind] = counts.documents.get(kind, 0) + 1
        counts.bytes[kind] = counts.bytes.get(kind, 0) + len(document.text.encode("utf-8", "surrogatepass"))
        lowest[kind] = min(fraction, lowest.get(kind, 1.0))
        fractions = trained.setdefault(kind, set())
        if fraction >= split.share and len(fractions) <= MAX_KINDS:
            fractions.add(fraction)
    if not counts.total_bytes:
        found = f" ({'; '.join(source.notes)})" if source.notes else ""
        raise ValueError(f"the corpus is empty: its source has no document with text{found}")
    if split.share == 0:
        return counts, split
    split = Split(split.share, floor={fraction for fraction in lowest.values() if fraction >= split.share})
    for kind, fractions in trained.items():
        if fractions <= split.floor:
            distinct = len({*fractions, lowest[kind]})
            raise ValueError(_nothing_to_train_on(kind, documents=counts.documents[kind], distinct=distinct))
    return counts, split


def _nothing_to_train_on(kind: str, *, documents: int, distinct: int) -> str:
    if documents > 1 and distinct == 1:
        return (
            f"the corpus has {documents} {kind} documents that have the same text or share one group, so all would be "
            "held out together: add other text, or hold out nothing with split.share=0"
        )
    return (
        f"the corpus has {documents} {kind} document{'s' * (documents > 1)}, all of which would be held out: split "
        "the text into more documents with corpus.separator or corpus.part_size, or hold out nothing with "
        "split.share=0"
    )


def _check_kind(kind: str, name: str, known: int) -> None:
    """Raise ValueError if a new kind cannot name a file or is one too many."""
    if not re.fullmatch(r"\w[\w.+-]*", kind):
        raise ValueError(
            f"document {name!r} is of kind {kind!r}, which cannot be part of a file name: use letters, digits, _ . + -"
        )
    if known == MAX_KINDS:
        raise ValueError(
            f"the corpus has more than {MAX_KINDS} kinds ({kind!r} is one more), and each is measured on its own: set "
            "corpus.kind_field to a field with few values, or to null"
        )
