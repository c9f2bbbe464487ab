"""Sources that know how many rows they have and nothing else: enough to plan a run before its data is read."""

import numpy as np

from lm.data.batches import Row


class Counted:
    """`rows` that hold `targets` supervised targets of `places`, and of conversations so many `examples`, evenly."""

    def __init__(self, *, rows: int, targets: int, places: int | None = None, examples: int = 0):
        each = 1 / rows if rows else 0.0
        self.counts = np.broadcast_to(np.float64(targets * each), rows)  # takes no memory
        self.places = targets if places is None else places
        self.examples = np.broadcast_to(np.float64(examples * each), rows)

    def __len__(self) -> int:
        return self.counts.size

    def row(self, index: int) -> Row:
        raise AssertionError("the data was counted, not read")
