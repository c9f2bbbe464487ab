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
                ends, rows = self.lengths[batch], np.arange(len(batch))
                forward, backward = _forward(steps, np.logaddexp), _backward(steps, ends)
                whole = forward[rows, ends]  # N
                through = forward[:, :-1, None] + steps + _shifted(backward, steps.shape[2])  # N L M
                chances = np.exp(through - whole[:, None, None]) * self.times[batch, None, None]
                used = pieces >= 0
                counts += np.bincount(pieces[used], weights=chances[used], minlength=len(scores))
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
            reached, taken = _best(steps)
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


def _forward(steps: np.ndarray, add) -> np.ndarray:
    """Return the log probability that each position of each word is reached: N L+1."""
    reached = np.full((steps.shape[0], steps.shape[1] + 1), -np.inf)
    reached[:, 0] = 0
    for end in range(1, reached.shape[1]):
        for length in range(1, min(end, steps.shape[2]) + 1):
            candidate = reached[:, end - length] + steps[:, end - length, length - 1]
            add(reached[:, end], candidate, out=reached[:, end])
    return reached


def _backward(steps: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the log probability of the rest of each word from each position: N L+1."""
    left = np.full((steps.shape[0], steps.shape[1] + 1), -np.inf)
    left[np.arange(len(ends)), ends] = 0
    for begin in range(steps.shape[1] - 1, -1, -1):
        for length in range(1, min(steps.shape[1] - begin, steps.shape[2]) + 1):
            candidate = left[:, begin + length] + steps[:, begin, length - 1]
            np.logaddexp(left[:, begin], candidate, out=left[:, begin])
    return left


def _shifted(backward: np.ndarray, longest: int) -> np.ndarray:
    """Return the log probability of the rest after a piece of each length: N L M."""
    width = backward.shape[1] - 1
    padded = np.pad(backward, ((0, 0), (0, longest)), constant_values=-np.inf)
    return np.stack([padded[:, length : length + width] for length in range(1, longest + 1)], axis=2)


def _best(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the score of the best path to each position and the length of its last piece, the shortest of equals."""
    reached = np.full((steps.shape[0], steps.shape[1] + 1), -np.inf)
    taken = np.zeros(reached.shape, dtype=np.int64)
    reached[:, 0] = 0
    for end in range(1, reached.shape[1]):
        for length in range(1, min(end, steps.shape[2]) + 1):
            candidate = reached[:, end - length] + steps[:, end - length, length - 1]
            better = candidate > reached[:, end]
            reached[better, end], taken[better, end] = candidate[better], length
    return reached, taken
