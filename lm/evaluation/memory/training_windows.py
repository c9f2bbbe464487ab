"""Windows of training and held-out documents, with the number of times that each stands in the training corpus."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from lm.corpus import Document, TokenStream, count_occurrences
from lm.evaluation.memory.extraction import Window


@dataclass(frozen=True)
class PlacedWindow:
    """A window and where it comes from.

    Args:
        window: Its token ids.
        document: Id of its document.
        start: First token of the prefix in the document.
        kind: Kind of the document.
        held_out: Whether the document was held out from training.
        cluster: A hash of the document: copies of a document have one cluster.
        copies: How often the window stands in the training corpus.
    """

    window: Window
    document: str
    start: int
    kind: str
    held_out: bool
    cluster: str
    copies: int = 0

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.window.prefix + self.window.suffix


@dataclass(frozen=True, kw_only=True)
class WindowChoice:
    """Which windows of documents are taken.

    Args:
        prefix: Tokens that the model reads. The published measure has 50 (Carlini et al. 2022, arXiv:2202.07646).
        suffix: Tokens that should follow.
        windows: Maximum number of windows, of training and of held-out documents each; documents are evenly spaced.
        per_document: Windows of a document, which may overlap.
        beginning: Whether a window is the beginning of its document, after the end of a document, as in training;
            false draws its place.
        seed: Seed of the places.
    """

    prefix: int = 50
    suffix: int = 50
    windows: int = 1000
    per_document: int = 1
    beginning: bool = False
    seed: int = 0

    @property
    def length(self) -> int:
        return self.prefix + self.suffix

    def of_streams(self, streams: Sequence[tuple[str, TokenStream]], *, held_out: bool) -> Iterator[PlacedWindow]:
        """Yield windows of the documents of several streams.

        Args:
            streams: Kind and stream.
            held_out: Whether the documents were held out.
        """
        long = [np.flatnonzero(np.diff(stream.bounds) - 1 >= self.length) for _, stream in streams]
        ends = np.cumsum([0, *map(len, long)])
        for number in self._spaced(int(ends[-1])):
            place = int(np.searchsorted(ends, number, side="right")) - 1
            (kind, stream), index = streams[place], int(long[place][number - ends[place]])
            made = self._of_document(stream.document(index), stream.ids[index], kind, draw=(place, index))
            yield from (replace(each, held_out=held_out) for each in made)

    def of_texts(self, documents: Sequence[Document], texts: Sequence[np.ndarray]) -> Iterator[PlacedWindow]:
        """Yield windows of documents that are given as text.

        Args:
            documents: The documents.
            texts: Their ids.
        """
        long = [place for place, ids in enumerate(texts) if len(ids) >= self.length]
        for place in (long[number] for number in self._spaced(len(long))):
            yield from self._of_document(texts[place], documents[place].id, documents[place].kind, draw=(0, place))

    def _spaced(self, documents: int) -> list[int]:
        count = min(documents, -(-self.windows // self.per_document))
        return [number * documents // count for number in range(count)]

    def _of_document(self, ids: np.ndarray, name: str, kind: str, *, draw: tuple[int, int]) -> Iterator[PlacedWindow]:
        places, starts = len(ids) - self.length + 1, [0]
        if not self.beginning:
            random = np.random.default_rng((self.seed, *draw))
            starts = sorted(random.choice(places, size=min(places, self.per_document), replace=False).tolist())
        cluster = blake2b(ids.tobytes(), digest_size=8).hexdigest()
        for start in starts:
            text = tuple(ids[start : start + self.length].tolist())
            window = Window(text[: self.prefix], text[self.prefix :])
            yield PlacedWindow(window, name, start, kind, False, cluster)


def counted(windows: Sequence[PlacedWindow], texts: Sequence[np.ndarray | TokenStream]) -> list[PlacedWindow]:
    """Return each distinct window once, with the number of times that it stands in the texts.

    Args:
        windows: Windows of equal length.
        texts: The training corpus.
    """
    distinct: dict[tuple[int, ...], PlacedWindow] = {}
    for each in windows:
        distinct.setdefault(each.tokens, each)
    copies = count_occurrences(texts, [*distinct])
    return [replace(each, copies=count) for each, count in zip(distinct.values(), copies, strict=True)]


def group_of(copies: int) -> str:
    """Name the group of a number of copies: 0, 1, 2–3, 4–7, 8–15, …."""
    if copies < 2:
        return str(copies)
    low = 1 << (copies.bit_length() - 1)
    return f"{low}–{2 * low - 1}"
