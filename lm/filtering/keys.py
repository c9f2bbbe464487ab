"""Keys of the documents of a piece, on disk: by these it is found which are alike."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lm.corpus import Document
from lm.files import atomic_path
from lm.filtering.pieces import is_written, read_plain, write_plain
from lm.filtering.traces import Deduplicator, keys_of

KEPT = np.dtype([("place", "<u4"), ("worth", "<f8")])


class KeysFile:
    """Documents that have keys: their places in the piece and worth, their keys [keys, documents, words], their ids.

    The keys are read one of their places at a time, and without copies, so that all of a large corpus need not fit.
    """

    def __init__(self, path: Path):
        self._keys, self._kept, self._ids = (path.with_name(f"{path.name}.{end}") for end in ("npy", "kept.npy", "ids"))

    def is_written(self) -> bool:
        """Whether all is there."""
        return is_written(self._ids)

    def write(self, documents: Sequence[Document], step: Deduplicator) -> None:
        """Keep the keys that a step gives the documents."""
        found = [*keys_of(step, documents)]
        kept = np.array([(place, step.worth(documents[place])) for place, _ in found], dtype=KEPT)
        flat = b"".join(key for _, keys in found for key in keys)
        shape = (len(found), len(found[0][1]), -1) if found else (0, 1, 1)
        keys = np.frombuffer(flat, dtype="<u8").reshape(shape).swapaxes(0, 1)
        for path, values in ((self._keys, keys), (self._kept, kept)):
            with atomic_path(path) as temporary:
                np.save(temporary, np.ascontiguousarray(values))
        write_plain(self._ids, [documents[place].id for place, _ in found])

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def kept(self) -> np.ndarray:
        """(place, worth) of each document."""
        return np.load(self._kept, mmap_mode="r")

    @property
    def keys(self) -> np.ndarray:
        """uint64 [keys, documents, words]."""
        return np.load(self._keys, mmap_mode="r")

    @property
    def ids(self) -> list[str]:
        """The documents' names."""
        return read_plain(self._ids)


def same_key(keys: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Pairs of numbers whose keys [n, words] are equal, as many as it takes to say which belong together."""
    order = np.lexsort(keys.T)
    keys, numbers = keys[order], numbers[order]
    same = (keys[1:] == keys[:-1]).all(axis=1)
    return np.stack([numbers[:-1][same], numbers[1:][same]], axis=1)


def connected_components(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers that stand in pairs, in order, and for each the least number that it hangs together with.

    Each turn lets all take over the least of their neighbours' and then of what that one hangs on, so few are needed
    (Shiloach and Vishkin 1982).
    """
    nodes, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(pairs.shape)
    least = np.arange(len(nodes))
    while True:
        of_ends = least[ends]
        if (of_ends[:, 0] == of_ends[:, 1]).all():
            return nodes, nodes[least]
        lower = of_ends.min(axis=1)
        np.minimum.at(least, of_ends[:, 0], lower)
        np.minimum.at(least, of_ends[:, 1], lower)
        while (least != least[least]).any():
            least = least[least]


def losers(nodes: np.ndarray, clusters: np.ndarray, worth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nodes that have to go, and for each the one that stays: that of most worth, of equals the first."""
    order = np.lexsort([nodes, -worth, clusters])
    first = np.concatenate([[True], np.diff(clusters[order]) != 0])
    stays = nodes[order][first][np.cumsum(first) - 1]
    gone = ~first
    return nodes[order][gone], stays[gone]
