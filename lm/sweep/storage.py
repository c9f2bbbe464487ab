"""Where a search keeps its trials: a file in the sweep's directory."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def sqlite(directory: Path) -> "BaseStorage":
    """study.db, which other tools of Optuna open as sqlite:///study.db."""
    from optuna.storages import RDBStorage

    return RDBStorage(f"sqlite:///{directory.absolute() / 'study.db'}")


def journal(directory: Path) -> "BaseStorage":
    """study.journal, lines of text, for file systems over a network where sqlite's locks fail."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(directory / "study.journal")))
