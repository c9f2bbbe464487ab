"""The journal of a bootstrap run: one line per round, on disk before the next begins, so that a killed run resumes."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from lm.bootstrap.task import Task
from lm.bootstrap.writer import Writer


class Journal:
    """Records of rounds in a JSON Lines file, each appended whole; a half-written last line is truncated.

    Args:
        path: The file; it and its directory are created with the first record.
    """

    def __init__(self, path: Path):
        self.path = path
        self.records: list[dict[str, Any]] = []
        if path.exists():
            content = path.read_bytes()
            content = content[: content.rfind(b"\n") + 1]
            self.records = [json.loads(line) for line in content.splitlines()]
            os.truncate(path, len(content))

    def append(self, record: dict[str, Any]) -> None:
        """Write a record through to the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as file:
            file.write(f"{json.dumps(record, ensure_ascii=False)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)

    @property
    def tasks(self) -> list[Task]:
        """The new tasks of all rounds."""
        return [Task.of(task, str(self.path)) for record in self.records for task in record["tasks"]]

    def is_stuck(self, rounds: int) -> bool:
        """Whether none of the last `rounds` rounds has a new task."""
        return len(self.records) >= rounds and not any(record["tasks"] for record in self.records[-rounds:])

    def account(self, writer: Writer) -> dict[str, Any]:
        """Return requests, tokens, cost, and dropped candidates by reason, most frequent first."""
        total: dict[str, Any] = {"rounds": len(self.records)}
        total |= {key: sum(record[key] for record in self.records) for key in ("asked", "read", "written")}
        total["cost"] = writer.cost(total["read"], total["written"])
        dropped: Counter[str] = Counter()
        for record in self.records:
            dropped.update({reason: drop["count"] for reason, drop in record["dropped"].items()})
        return total | {"dropped": dict(dropped.most_common())}
