"""How often sequences of tokens occur in a corpus, counted exactly."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lm.corpus.shards import TokenStream

AT_ONCE = 1 << 20  # tokens in memory
BITS = 21  # of an id within a key; ids of larger vocabularies only propose more places to compare


def count_occurrences(
    texts: Iterable[np.ndarray | TokenStream], sequences: Sequence[Sequence[int]], *, at_once: int = AT_ONCE
) -> list[int]:
    """Return how often each sequence occurs in the texts, overlapping occurrences included.

    The first, middle and last token propose places, whose tokens are compared. A text of a gigabyte takes about a
    minute, whatever the number of sequences.

    Args:
        texts: Ids of texts [T], or streams of a corpus.
        sequences: Ids of equal number, at least one.
        at_once: Tokens of a stream that are read at once.
    """
    if not sequences:
        return []
    wanted, belongs = np.unique(np.asarray(sequences, dtype=np.int64), axis=0, return_inverse=True)
    keys = _keys(wanted.T)
    order = np.argsort(keys, kind="stable")
    counts = np.zeros(len(wanted), dtype=np.int64)
    for text in texts:
        for ids in _pieces(text, wanted.shape[1], at_once):
            counts += _counted(ids, wanted, keys[order], order)
    return counts[belongs.reshape(-1)].tolist()


def _counted(ids: np.ndarray, wanted: np.ndarray, keys: np.ndarray, order: np.ndarray) -> np.ndarray:
    """How often each row of `wanted` occurs in `ids`; `keys` are theirs, in `order`."""
    length, starts = wanted.shape[1], len(ids) - wanted.shape[1] + 1
    if starts < 1:
        return np.zeros(len(wanted), dtype=np.int64)
    found = _keys([ids[offset : offset + starts] for offset in range(length)])
    low, high = (np.searchsorted(keys, found, side=side) for side in ("left", "right"))
    places = np.flatnonzero(high > low)
    repeats = (high - low)[places]
    here = np.repeat(places, repeats)
    which = order[np.repeat(low[places] - np.cumsum(repeats) + repeats, repeats) + np.arange(repeats.sum())]
    for offset in range(length if len(here) else 0):
        same = ids[here + offset] == wanted[which, offset]
        here, which = here[same], which[same]
    return np.bincount(which, minlength=len(wanted))


def _keys(columns: Sequence[np.ndarray]) -> np.ndarray:
    """A number of the first, middle and last token of each sequence, int64 [N], from the tokens by place."""
    chosen = (columns[0], columns[len(columns) // 2], columns[-1])
    first, middle, last = (np.asarray(each, dtype=np.int64) & ((1 << BITS) - 1) for each in chosen)
    return (first << 2 * BITS) | (middle << BITS) | last


def _pieces(text: np.ndarray | TokenStream, length: int, at_once: int) -> Iterator[np.ndarray]:
    """The ids of a text in pieces that overlap by one token less than a sequence has."""
    if isinstance(text, np.ndarray):
        yield text
        return
    for start in range(0, max(1, len(text) - length + 1), at_once):
        yield text.read(start, min(len(text), start + at_once + length - 1))
