"""Which documents are alike, over all pieces: keys → pairs with one in common → clusters → what has to go.

Pairs are looked for one key place and one share of the keys at a time, so memory is bounded by `AT_ONCE` and by the
number of documents that have a like.
"""

from math import inf
from pathlib import Path

import numpy as np

from lm.corpus import Dropped
from lm.files import atomic_path
from lm.filtering.keys import KeysFile, connected_components, losers, same_key
from lm.filtering.phases import Phase
from lm.filtering.pieces import is_written, write_outcome
from lm.filtering.stages import Piece, StageStore
from lm.filtering.traces import Outcome

AT_ONCE = 16_000_000  # keys that are compared in memory


class _Keyed(Phase):
    """What both phases need: the pieces that are compared, and the numbers of their documents."""

    def __init__(self, course: StageStore, step: int):
        self.course, self.step = course, step

    def pieces(self) -> list[Piece]:
        """Those of the earlier corpus first."""
        return self.course.pieces(*self.course.earlier(self.step), *self.course.sources)

    def files(self, pieces: list[Piece]) -> list[KeysFile]:
        """The keys of each."""
        return [KeysFile(self.course.keys_path(self.step, piece)) for piece in pieces]

    def begins(self, files: list[KeysFile]) -> np.ndarray:
        """The number of the first document of each, and of all there are."""
        return np.cumsum([0, *map(len, files)])


class Pairs(_Keyed):
    """Find documents that have a key in common."""

    label, unit = "comparing", "share"

    def items(self) -> list[tuple[int, int, int]]:
        """(place among a document's keys, share of the keys, of how many)."""
        files = self.files(self.pieces())
        places = max((len(file.keys) for file in files), default=0)
        shares = -(-sum(map(len, files)) // AT_ONCE)
        return [(place, share, shares) for place in range(places) for share in range(shares)]

    def done(self, item: tuple[int, int, int]) -> bool:
        return is_written(self._path(item))

    def work(self, item: tuple[int, int, int]) -> None:
        place, share, shares = item
        files = self.files(self.pieces())
        keys, numbers = [], []
        for begin, file in zip(self.begins(files), files, strict=False):
            if len(file):
                here = file.keys[place]
                chosen = np.flatnonzero(here[:, 0] % np.uint64(shares) == share)
                keys.append(here[chosen])
                numbers.append(chosen + begin)
        pairs = same_key(np.concatenate(keys), np.concatenate(numbers))
        with atomic_path(self._path(item)) as temporary:
            np.save(temporary, pairs)

    def _path(self, item: tuple[int, int, int]) -> Path:
        return self.course.clusters_path(self.step) / f"pairs-{'-'.join(f'{number:03d}' for number in item)}.npy"


class Clusters(_Keyed):
    """Work out which documents hang together, and let all but one of them go."""

    label, unit = "choosing", "step"

    def items(self) -> list[int]:
        return [self.step]

    def done(self, item: int) -> bool:
        return all(is_written(self.course.outcome_path(item, piece)) for piece in self.course.pieces())

    def work(self, item: int) -> None:
        pieces = self.pieces()
        outcomes = self._outcomes(pieces)
        for number, piece in enumerate(pieces):
            if self.course.is_own(piece):
                write_outcome(self.course.outcome_path(item, piece), outcomes.get(number, Outcome()), [])

    def _outcomes(self, pieces: list[Piece]) -> dict[int, Outcome]:
        """What has to go of each piece, by its number, if anything has."""
        found = sorted(self.course.clusters_path(self.step).glob("pairs-*.npy"))
        pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *map(np.load, found)])
        if not len(pairs):
            return {}
        files = self.files(pieces)
        begins = self.begins(files)
        nodes, clusters = connected_components(pairs)
        homes = np.searchsorted(begins, nodes, side="right") - 1
        worth, places = np.zeros(len(nodes)), np.zeros(len(nodes), dtype=np.int64)
        for number in np.unique(homes):
            here = homes == number
            kept = files[number].kept[nodes[here] - begins[number]]
            own = self.course.is_own(pieces[number])
            worth[here], places[here] = kept["worth"] if own else inf, kept["place"]
        gone, stays = losers(nodes, clusters, worth)
        ids = self._ids(files, begins, np.unique(stays))
        step = self.course.steps[self.course.names[self.step]]
        outcomes: dict[int, Outcome] = {}
        for at, other in sorted(zip(np.searchsorted(nodes, gone).tolist(), stays.tolist(), strict=True)):
            if self.course.is_own(pieces[homes[at]]):
                outcome = outcomes.setdefault(int(homes[at]), Outcome())
                outcome.dropped[int(places[at])] = Dropped(step.reason, f"as {ids[other]}")
        return outcomes

    def _ids(self, files: list[KeysFile], begins: np.ndarray, numbers: np.ndarray) -> dict[int, str]:
        """The names of documents."""
        homes = np.searchsorted(begins, numbers, side="right") - 1
        found = {}
        for number in np.unique(homes):
            ids = files[number].ids
            found |= {int(each): ids[each - begins[number]] for each in numbers[homes == number]}
        return found
