"""Every way to write words as pieces, many words at once: chances, expected counts and best ways.

Legend: N words  L bytes of the longest of them  M bytes of the longest piece  V pieces
"""

from collections.abc import Iterator

import numpy as np

CELLS = 4_000_000  # places × lengths worked on at once


class Lattice:
    """Words lying in one run of bytes, and which piece begins where.

    `pieces[i, m]` is the piece of m + 1 bytes that begins at byte i, or -1; none reaches beyond its word.
    """

    def __init__(self, pieces: np.ndarray, starts: np.ndarray, lengths: np.ndarray, times: np.ndarray):
        self.pieces, self.starts, self.lengths, self.times = pieces, starts, lengths, times

    def expected(self, scores: np.ndarray) -> tuple[np.ndarray, float]:
        """How often each piece is used, over all ways by their chances; and the log likelihood of the words."""
        counts, likelihood = np.zeros(len(scores)), 0.0
        with np.errstate(invalid="ignore"):
            for chosen, pieces, steps in self._chunks(scores):
                ends, rows = self.lengths[chosen], np.arange(len(chosen))
                forward, backward = _forward(steps, np.logaddexp), _backward(steps, ends)
                whole = forward[rows, ends]  # N
                through = forward[:, :-1, None] + steps + _shifted(backward, steps.shape[2])  # N L M
                chances = np.exp(through - whole[:, None, None]) * self.times[chosen, None, None]
                used = pieces >= 0
                counts += np.bincount(pieces[used], weights=chances[used], minlength=len(scores))
                likelihood += float(whole @ self.times[chosen])
        return counts, likelihood

    def best(self, scores: np.ndarray, *, whole: bool = True) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(words, their pieces from the last to the first, -1 after the end) of the likeliest way to write each.

        Without `whole`, no word may be one piece; one that then cannot be written has no pieces.
        """
        for chosen, pieces, steps in self._chunks(scores):
            ends, rows = self.lengths[chosen], np.arange(len(chosen))
            if not whole:
                long = ends <= steps.shape[2]
                steps[rows[long], 0, ends[long] - 1] = -np.inf
            reached, taken = _best(steps)
            place, path = np.where(np.isfinite(reached[rows, ends]), ends, 0), []
            while (place > 0).any():
                length = taken[rows, place]  # 0 at the start of a word
                path.append(np.where(place > 0, pieces[rows, place - length, length - 1], -1))
                place = place - length
            yield chosen, np.stack(path, axis=1) if path else np.full((len(chosen), 1), -1)

    def used(self, scores: np.ndarray) -> np.ndarray:
        """How often each piece is used where every word is written in its likeliest way."""
        counts = np.zeros(len(scores))
        for chosen, paths in self.best(scores):
            weights = np.broadcast_to(self.times[chosen, None], paths.shape)
            counts += np.bincount(paths[paths >= 0], weights=weights[paths >= 0], minlength=len(scores))
        return counts

    def _chunks(self, scores: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Words of like length, their pieces (N L M), and the scores of those, -inf where there is none."""
        order = np.argsort(self.lengths, kind="stable")
        padded, at = np.append(scores, -np.inf), 0
        while at < len(order):
            upto = at + 1
            while upto < len(order) and (upto + 1 - at) * self.lengths[order[upto]] * self.pieces.shape[1] <= CELLS:
                upto += 1
            chosen = order[at:upto]
            places = np.arange(self.lengths[chosen[-1]])
            within = places < self.lengths[chosen, None]  # N L
            where = np.minimum(self.starts[chosen, None] + places, len(self.pieces) - 1)
            pieces = np.where(within[:, :, None], self.pieces[where], -1)
            yield chosen, pieces, padded[pieces]
            at = upto


def _forward(steps: np.ndarray, add) -> np.ndarray:
    """Log chance of each place of each word being reached: N L+1."""
    reached = np.full((steps.shape[0], steps.shape[1] + 1), -np.inf)
    reached[:, 0] = 0
    for end in range(1, reached.shape[1]):
        for length in range(1, min(end, steps.shape[2]) + 1):
            candidate = reached[:, end - length] + steps[:, end - length, length - 1]
            add(reached[:, end], candidate, out=reached[:, end])
    return reached


def _backward(steps: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Log chance of the end of each word from each place: N L+1."""
    left = np.full((steps.shape[0], steps.shape[1] + 1), -np.inf)
    left[np.arange(len(ends)), ends] = 0
    for begin in range(steps.shape[1] - 1, -1, -1):
        for length in range(1, min(steps.shape[1] - begin, steps.shape[2]) + 1):
            candidate = left[:, begin + length] + steps[:, begin, length - 1]
            np.logaddexp(left[:, begin], candidate, out=left[:, begin])
    return left


def _shifted(backward: np.ndarray, longest: int) -> np.ndarray:
    """The log chance of the end after a piece of each length: N L M."""
    width = backward.shape[1] - 1
    padded = np.pad(backward, ((0, 0), (0, longest)), constant_values=-np.inf)
    return np.stack([padded[:, length : length + width] for length in range(1, longest + 1)], axis=2)


def _best(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score of the best way to each place, and the length of its last piece; the shortest among equals."""
    reached = np.full((steps.shape[0], steps.shape[1] + 1), -np.inf)
    taken = np.zeros(reached.shape, dtype=np.int64)
    reached[:, 0] = 0
    for end in range(1, reached.shape[1]):
        for length in range(1, min(end, steps.shape[2]) + 1):
            candidate = reached[:, end - length] + steps[:, end - length, length - 1]
            better = candidate > reached[:, end]
            reached[better, end], taken[better, end] = candidate[better], length
    return reached, taken
