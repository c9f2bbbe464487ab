"""A callback that records which rows each optimizer step reads, for the tests of strategies."""

from collections import defaultdict
from pathlib import Path

from lightning import Callback

from lm.files import hash_bytes
from lm.process.ranks import data_share


class NoteRows(Callback):
    """Append `step row-hash` for each row that this rank reads; ranks that read the same rows append once."""

    def __init__(self, directory: str):
        self.directory = Path(directory)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        ranks, rank = data_share(trainer)
        if trainer.global_rank != rank * (trainer.world_size // ranks):
            return
        with open(self.directory / f"rows-{trainer.global_rank}.txt", "a") as file:
            for row in batch.tokens.cpu().numpy():
                file.write(f"{trainer.global_step} {hash_bytes(row.tobytes())}\n")


def noted(directory: Path) -> dict[int, list[str]]:
    """The rows of each step, sorted."""
    rows = defaultdict(list)
    for file in directory.glob("rows-*.txt"):
        for line in file.read_text().splitlines():
            step, row = line.split()
            rows[int(step)].append(row)
    return {step: sorted(hashes) for step, hashes in rows.items()}
