"""Find duplicates over all pieces: equal keys → pairs of documents → connected components → one is kept.

Pairs are searched for one key position and one share of the keys at a time, so memory is bounded by `KEYS_IN_MEMORY`
and by the number of documents that have a duplicate.

Legend: N documents in pairs  E pairs
"""

from collections.abc import Sequence
from math import inf
from pathlib import Path

import numpy as np

from lm.corpus import Document, Dropped
from lm.filtering.contract import Deduplicator
from lm.filtering.phases import Phase
from lm.filtering.pieces import KeysFile, is_written, read_block, write_blocks, write_outcome
from lm.filtering.stages import Piece, StageStore
from lm.filtering.traces import Outcome, compute_keys

KEYS_IN_MEMORY = 16_000_000  # keys that are compared at once


class _ComparisonPhase(Phase):
    """A phase of one deduplicator, over all pieces; documents are numbered through, those of `earlier` first.

    Args:
        store: Files of the funnel.
        step: Index of the deduplicator.
    """

    def __init__(self, store: StageStore, step: int):
        self.store, self.step = store, step

    def pieces(self) -> list[Piece]:
        """The pieces compared, those of the earlier corpus first."""
        return self.store.pieces(*self.store.earlier(self.step), *self.store.sources)

    def keys(self, pieces: list[Piece]) -> tuple[list[KeysFile], np.ndarray]:
        """The keys of each piece, and the number of its first document, followed by the total."""
        files = [self.store.keys(self.step, piece) for piece in pieces]
        return files, np.cumsum([0, *map(len, files)])


class PairPhase(_ComparisonPhase):
    """Find pairs of documents that have a key in common."""

    label, unit = "comparing", "share"

    def items(self) -> list[tuple[int, int, int]]:
        """(key position, share of the keys, number of shares)."""
        files, begins = self.keys(self.pieces())
        positions = max((file.positions for file in files), default=0)
        shares = -(-int(begins[-1]) // KEYS_IN_MEMORY)
        return [(position, share, shares) for position in range(positions) for share in range(shares)]

    def is_done(self, item: tuple[int, int, int]) -> bool:
        return is_written(self._path(item))

    def run(self, item: tuple[int, int, int]) -> None:
        position, share, shares = item
        keys, numbers = [], []
        for file, begin in zip(*self.keys(self.pieces()), strict=False):
            if len(file):
                column = file.keys(position)
                selected = np.flatnonzero(column[:, 0] % np.uint64(shares) == share)
                keys.append(column[selected])
                numbers.append(selected + begin)
        pairs = equal_keys(np.concatenate(keys), np.concatenate(numbers))
        write_blocks(self._path(item), pairs[np.newaxis])

    def _path(self, item: tuple[int, int, int]) -> Path:
        return self.store.clusters_path(self.step) / f"pairs-{'-'.join(f'{number:03d}' for number in item)}.npy"


class ClusterPhase(_ComparisonPhase):
    """Find the connected components of all pairs, and drop all documents of a component but one."""

    label, unit = "choosing", "step"

    def items(self) -> list[int]:
        return [self.step]

    def is_done(self, item: int) -> bool:
        return all(is_written(self.store.outcome_path(item, piece)) for piece in self.store.pieces())

    def run(self, item: int) -> None:
        pieces = self.pieces()
        outcomes = self._outcomes(pieces)
        for number, piece in enumerate(pieces):
            if self.store.is_own(piece):
                write_outcome(self.store.outcome_path(item, piece), outcomes.get(number, Outcome()), [])

    def _outcomes(self, pieces: list[Piece]) -> dict[int, Outcome]:
        """The outcome for each piece that has documents to drop, by its number."""
        paths = sorted(self.store.clusters_path(self.step).glob("pairs-*.npy"))
        pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *(read_block(path, 0) for path in paths)])
        if not len(pairs):
            return {}
        files, begins = self.keys(pieces)
        nodes, components = connected_components(pairs)
        homes = np.searchsorted(begins, nodes, side="right") - 1  # the piece of each node
        priority, indices = np.zeros(len(nodes)), np.zeros(len(nodes), dtype=np.int64)
        for number in np.unique(homes):
            here = homes == number
            entries = files[number].entries[nodes[here] - begins[number]]
            priority[here] = entries["priority"] if self.store.is_own(pieces[number]) else inf
            indices[here] = entries["index"]
        duplicates, kept = select_duplicates(nodes, components, priority)
        ids = _ids(files, begins, np.unique(kept))
        step = self.store.steps[self.store.names[self.step]]
        outcomes: dict[int, Outcome] = {}
        for at, number in sorted(zip(np.searchsorted(nodes, duplicates).tolist(), kept.tolist(), strict=True)):
            if self.store.is_own(pieces[homes[at]]):
                outcome = outcomes.setdefault(int(homes[at]), Outcome())
                outcome.dropped[int(indices[at])] = Dropped(step.reason, f"as {ids[number]}")
        return outcomes


def _ids(files: list[KeysFile], begins: np.ndarray, numbers: np.ndarray) -> dict[int, str]:
    """The ids of documents by their numbers."""
    homes = np.searchsorted(begins, numbers, side="right") - 1
    found = {}
    for home in np.unique(homes):
        ids = files[home].ids
        found |= {int(number): ids[number - begins[home]] for number in numbers[homes == home]}
    return found


def find_duplicates(step: Deduplicator, documents: Sequence[Document]) -> dict[int, int]:
    """Compare documents in memory. Returns the index of each duplicate → the index of the document that is kept."""
    rows = [*compute_keys(step, documents)]
    if not rows:
        return {}
    numbers = np.array([index for index, _ in rows])
    columns = zip(*(keys for _, keys in rows), strict=True)
    pairs = [
        equal_keys(np.frombuffer(b"".join(column), dtype="<u8").reshape(len(rows), -1), numbers) for column in columns
    ]
    nodes, components = connected_components(np.concatenate(pairs))
    if not len(nodes):
        return {}
    priority = np.array([step.priority(documents[node]) for node in nodes.tolist()])
    duplicates, kept = select_duplicates(nodes, components, priority)
    return dict(sorted(zip(duplicates.tolist(), kept.tolist(), strict=True)))


def equal_keys(keys: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Find documents with equal keys.

    Args:
        keys: uint64 [N, words].
        numbers: The number of each document, int64 [N].

    Returns:
        Pairs of numbers [E, 2]: a chain through each group of equal keys, which is enough to connect it.
    """
    order = np.lexsort(keys.T)
    keys, numbers = keys[order], numbers[order]
    same = (keys[1:] == keys[:-1]).all(axis=1)
    return np.stack([numbers[:-1][same], numbers[1:][same]], axis=1)


def connected_components(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label the connected components of a graph (Shiloach and Vishkin 1982).

    In each round all nodes take the smallest label of their neighbours and then that label's own label, so few rounds
    are needed.

    Args:
        pairs: Edges, int64 [E, 2].

    Returns:
        The sorted nodes [N], and for each the smallest node reachable from it [N].
    """
    nodes, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(pairs.shape)
    label = np.arange(len(nodes))
    while True:
        labels = label[ends]
        if (labels[:, 0] == labels[:, 1]).all():
            return nodes, nodes[label]
        lower = labels.min(axis=1)
        np.minimum.at(label, labels[:, 0], lower)
        np.minimum.at(label, labels[:, 1], lower)
        while (label != label[label]).any():
            label = label[label]


def select_duplicates(nodes: np.ndarray, components: np.ndarray, priority: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose the node to keep of each component: the one of highest priority, the first one among equals.

    Args:
        nodes: Sorted numbers of documents [N].
        components: The component of each [N].
        priority: The priority of each [N].

    Returns:
        The nodes to drop, and for each the node that is kept in its component.
    """
    order = np.lexsort([nodes, -priority, components])
    first = np.concatenate([[True], np.diff(components[order]) != 0])
    kept = nodes[order][first][np.cumsum(first) - 1]
    return nodes[order][~first], kept[~first]
