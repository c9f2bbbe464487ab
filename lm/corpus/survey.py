"""Read a corpus once before working on it: what there is, and whether every kind has documents to measure by.

Reading is some fifty times faster than tokenizing, so a second reading is cheap; it finds a broken line
before the work and not in the middle of it, and it lets progress bars know the end.
"""

import re
from dataclasses import dataclass, field

from lm.corpus.document import Source
from lm.corpus.split import Split, rank
from lm.progress import track

MOST_KINDS = 100


@dataclass
class Survey:
    """What a source holds, by kind."""

    documents: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    @property
    def total_documents(self) -> int:
        return sum(self.documents.values())

    @property
    def total_bytes(self) -> int:
        return sum(self.bytes.values())


def survey(source: Source, split: Split) -> tuple[Survey, Split]:
    """What `source` holds, and `split` with a floor: every kind has at least one held-out document.

    A kind in which chance holds none out gives the one of lowest rank, with its group. With a share of 0
    nothing is held out.
    """
    source.prepare()
    found = Survey()
    lowest: dict[str, float] = {}
    trained: dict[str, set[float]] = {}  # ranks left to training, as many as a floor could take
    for document in track(source, label="reading", unit="document"):
        kind, place = document.kind, rank(document)
        if kind not in found.documents:
            _check_kind(kind, document.id, len(found.documents))
        found.documents[kind] = found.documents.get(kind, 0) + 1
        found.bytes[kind] = found.bytes.get(kind, 0) + len(document.text.encode("utf-8", "surrogatepass"))
        lowest[kind] = min(place, lowest.get(kind, 1.0))
        ranks = trained.setdefault(kind, set())
        if place >= split.share and len(ranks) <= MOST_KINDS:
            ranks.add(place)
    if not found.total_bytes:
        raise ValueError("the corpus is empty: its source gives no document with text in it")
    if split.share == 0:
        return found, split
    split = Split(split.share, floor={place for place in lowest.values() if place >= split.share})
    for kind, ranks in trained.items():
        if ranks <= split.floor:
            count = found.documents[kind]
            if count > 1 and len({*ranks, lowest[kind]}) == 1:
                raise ValueError(
                    f"the corpus has {count} {kind} documents that all say the same, or share one group, so they can "
                    "only be held out together: give other text, or hold out nothing with split.share=0"
                )
            raise ValueError(
                f"the corpus has {count} {kind} document{'s' * (count > 1)}, all of which would be held out: "
                "let a separator (corpus.separator) or a part size (corpus.part_size) make more of them, or "
                "hold out nothing with split.share=0"
            )
    return found, split


def _check_kind(kind: str, name: str, known: int) -> None:
    """Kinds name files and columns."""
    if not re.fullmatch(r"\w[\w.+-]*", kind):
        raise ValueError(
            f"document {name!r} is of kind {kind!r}, which cannot be part of a file name: use letters, digits, _ . + -"
        )
    if known == MOST_KINDS:
        raise ValueError(
            f"the corpus has more than {MOST_KINDS} kinds ({kind!r} is one more): kinds are what is measured "
            "apart, so take a field of few values for corpus.kind_field, or none"
        )
