"""What a run found at its validations so far, in a file in its directory: a search that goes on is told all of it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lm.files import undamaged, write_atomically

REPORTS = ".validations.json"


@dataclass(frozen=True)
class Report:
    """Of one validation."""

    validation: int  # from 1
    step: int
    value: float


def read_reports(directory: str | Path) -> list[Report]:
    """In order; none of a run that no search may prune."""
    file = Path(directory, REPORTS)
    if not file.exists():
        return []
    with undamaged(file, "remove it: the run is then compared by what it finds from here on"):
        return [Report(**each) for each in json.loads(file.read_bytes())]


def write_reports(directory: str | Path, reports: Sequence[Report]) -> None:
    write_atomically(Path(directory, REPORTS), json.dumps([asdict(each) for each in reports]))


def check_reports(config: Mapping[str, Any], swept: Collection[str]) -> None:
    """Refuse to prune jobs that report nothing on their way, by their plain config and the keys that are searched."""
    validations = config.get("validations")
    if validations is None or "callbacks" not in config:
        raise ValueError(
            "hydra/sweeper/pruner: this job reports nothing on its way, so there is nothing to prune it by: search one "
            "that trains with validations, as pretrain, or leave out the pruner"
        )
    if "validations" in swept:
        raise ValueError(
            "validations: cannot be searched with a hydra/sweeper/pruner, which compares trials at equal validations: "
            "give it one value, or leave out the pruner"
        )
    if validations < 2:
        raise ValueError(
            f"validations={validations}: a hydra/sweeper/pruner needs at least 2, as the last is at the end of a run: "
            "set validations=5, or leave out the pruner"
        )
