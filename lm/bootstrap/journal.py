"""What was done, a line a round, on disk before the next begins: whoever is ended goes on from there."""

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """Records of plain data in `path`, each appended whole: half of one, of a writer that was killed, is taken away."""

    def __init__(self, path: Path):
        self.path = path
        self.records: list[dict[str, Any]] = []
        if path.exists():
            whole = path.read_bytes()
            whole = whole[: whole.rfind(b"\n") + 1]
            self.records = [json.loads(line) for line in whole.splitlines()]
            os.truncate(path, len(whole))

    def append(self, record: dict[str, Any]) -> None:
        """Keep one more."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as file:
            file.write(f"{json.dumps(record, ensure_ascii=False)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)
