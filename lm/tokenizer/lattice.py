"""All segmentations of many words at once: expected counts and best paths.

Legend: N words  L bytes of the longest of them  M bytes of the longest piece  V pieces
"""

from collections.abc import Iterator

import numpy as np

CELLS = 4_000_000  # positions × lengths processed at once


class Lattice:
    """Words in one array of bytes, and the piece of each length that starts at each byte.

    Args:
        pieces: `pieces[i, m]` is the piece of m + 1 bytes that starts at byte i, or -1; none crosses the end of a word.
        starts: First byte of each word, int64 [N].
        lengths: Bytes of each word, int64 [N].
        times: Occurrences of each word, float64 [N].
    """

    def __init__(self, pieces: np.ndarray, starts: np.ndarray, lengths: np.ndarray, times: np.ndarray):
        self.pieces, self.starts, self.lengths, self.times = pieces, starts, lengths, times

    def expected(self, scores: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the expected count of each piece over all segmentations, and the log-likelihood of the words."""
        counts, likelihood = np.zeros(len(scores)), 0.0
        with np.errstate(invalid="ignore"):
            for batch, pieces, steps in self._chunks(scores):
                ends, rows, edges = self.lengths[batch], np.arange(len(batch)), _Edges(steps)
                forward, backward = edges.forward(), edges.backward(ends)
                whole = forward[rows, ends]  # N
                through = forward[edges.row, edges.begin] + edges.score + backward[edges.row, edges.end]
                chances = np.exp(through - whole[edges.row]) * self.times[batch[edges.row]]
                counts += np.bincount(pieces[edges.place], weights=chances, minlength=len(scores))
                likelihood += float(whole @ self.times[batch])
        return counts, likelihood

    def best(self, scores: np.ndarray, *, whole: bool = True) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield batches of words and the pieces of their likeliest segmentation.

        Args:
            scores: Log probability of each piece [V].
            whole: Whether a word may be a single piece. If not, a word without another segmentation has no pieces.

        Yields:
            Batches of word indices [N] and their pieces from the last to the first, -1 after the end.
        """
        for batch, pieces, steps in self._chunks(scores):
            ends, rows = self.lengths[batch], np.arange(len(batch))
            if not whole:
                long = ends <= steps.shape[2]
                steps[rows[long], 0, ends[long] - 1] = -np.inf
            reached, taken = _Edges(steps).best()
            place, path = np.where(np.isfinite(reached[rows, ends]), ends, 0), []
            while (place > 0).any():
                length = taken[rows, place]  # 0 at the start of a word
                path.append(np.where(place > 0, pieces[rows, place - length, length - 1], -1))
                place = place - length
            yield batch, np.stack(path, axis=1) if path else np.full((len(batch), 1), -1)

    def used(self, scores: np.ndarray) -> np.ndarray:
        """Return the count of each piece when every word is segmented in its likeliest way."""
        counts = np.zeros(len(scores))
        for batch, paths in self.best(scores):
            weights = np.broadcast_to(self.times[batch, None], paths.shape)
            counts += np.bincount(paths[paths >= 0], weights=weights[paths >= 0], minlength=len(scores))
        return counts

    def _chunks(self, scores: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield batches of words of similar length, their pieces (N L M) and scores, -inf where there is no piece."""
        order = np.argsort(self.lengths, kind="stable")
        padded, start = np.append(scores, -np.inf), 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * self.lengths[order[stop]] * self.pieces.shape[1] <= CELLS:
                stop += 1
            batch = order[start:stop]
            places = np.arange(self.lengths[batch[-1]])
            within = places < self.lengths[batch, None]  # N L
            where = np.minimum(self.starts[batch, None] + places, len(self.pieces) - 1)
            pieces = np.where(within[:, :, None], self.pieces[where], -1)
            yield batch, pieces, padded[pieces]
            start = stop


class _Edges:
    """The pieces that occur in a batch of words, in the order of the word, the first byte and the length: E of them.

    Most lengths have no piece at most bytes, so the work goes by pieces, not by lengths. Sums are added in the order of
    the lengths.

    Args:
        steps: Score of the piece of each length at each byte: N L M, -inf where there is none.
    """

    def __init__(self, steps: np.ndarray):
        self.shape = steps.shape[0], steps.shape[1] + 1
        row, begin, length = np.nonzero(np.isfinite(steps))
        inside = begin + length < steps.shape[1]
        self.place = row[inside], begin[inside], length[inside]
        self.row, self.begin, _ = self.place
        self.end, self.score = self.begin + self.place[2] + 1, steps[self.place]

    def forward(self) -> np.ndarray:
        """Return the log probability that each position of each word is reached: N L+1."""
        reached = np.full(self.shape, -np.inf)
        reached[:, 0] = 0
        for edges, firsts in self._groups(self.end, backwards=True):
            candidates = reached[self.row[edges], self.begin[edges]] + self.score[edges]
            reached[self.row[edges[firsts]], self.end[edges[0]]] = np.logaddexp.reduceat(candidates, firsts)
        return reached

    def backward(self, ends: np.ndarray) -> np.ndarray:
        """Return the log probability of the rest of each word from each position: N L+1."""
        left = np.full(self.shape, -np.inf)
        left[np.arange(len(ends)), ends] = 0
        for edges, firsts in reversed(self._groups(self.begin)):
            candidates = left[self.row[edges], self.end[edges]] + self.score[edges]
            left[self.row[edges[firsts]], self.begin[edges[0]]] = np.logaddexp.reduceat(candidates, firsts)
        return left

    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the score of the best path to each position and the shortest length of its last piece."""
        reached = np.full(self.shape, -np.inf)
        taken = np.zeros(self.shape, dtype=np.int64)
        reached[:, 0] = 0
        for edges, firsts in self._groups(self.end, backwards=True):
            candidates = reached[self.row[edges], self.begin[edges]] + self.score[edges]
            highest = np.maximum.reduceat(candidates, firsts)
            lengths = self.end[edges] - self.begin[edges]
            sizes = np.diff(np.append(firsts, len(edges)))
            ties = np.where(candidates == np.repeat(highest, sizes), lengths, np.iinfo(np.int64).max)
            where = self.row[edges[firsts]], self.end[edges[0]]
            reached[where] = highest
            taken[where] = np.where(np.isfinite(highest), np.minimum.reduceat(ties, firsts), 0)
        return reached, taken

    def _groups(self, position: np.ndarray, *, backwards: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return, for each position in order, the edges there word by word, and where a new word starts.

        A stable sort of small integers takes linear time. Of the edges of a word that end at one position, the last
        is the shortest: their order is turned round, so that lengths ascend.
        """
        narrow = position.astype(np.min_scalar_type(self.shape[1]))
        order = np.argsort(narrow[::-1] if backwards else narrow, kind="stable")
        order = len(order) - 1 - order if backwards else order
        groups = np.split(order, np.flatnonzero(np.diff(position[order])) + 1) if len(order) else []
        return [(edges, np.flatnonzero(np.diff(self.row[edges], prepend=-1))) for edges in groups]
