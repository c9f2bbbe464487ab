"""What a run keeps of an evaluation: its results with the hashes of all that they follow from, items and table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm.files import write_atomically

FOLDER = "evaluations"  # within the directory of a run
SUFFIXES = (".json", ".txt", ".items.jsonl")


@dataclass(frozen=True)
class EvaluationRecord:
    """The results of an evaluation.

    Args:
        name: Name of the evaluation.
        hashes: Hashes of model, tokenizer, data and both configs, by name.
        results: Plain results.
        items: One record an item; empty where an evaluation has none.
        table: The results as text.
        found: Directory of the run that measured them; None for this one.
    """

    name: str
    hashes: Mapping[str, str]
    results: Mapping[str, Any]
    items: Sequence[Mapping[str, Any]]
    table: str
    found: Path | None = None

    def write(self, directory: Path, name: str) -> None:
        """Write NAME.items.jsonl, NAME.txt and NAME.json; the last one makes the record whole."""
        (directory / FOLDER).mkdir(exist_ok=True)
        if self.items:
            lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in self.items)
            write_atomically(directory / FOLDER / f"{name}.items.jsonl", lines)
        write_atomically(directory / FOLDER / f"{name}.txt", self.table + "\n")
        content = {
            "evaluation": self.name,
            "hashes": dict(self.hashes),
            "items": len(self.items),
            "results": dict(self.results),
        }
        write_atomically(directory / FOLDER / f"{name}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def files(self, directory: Path, name: str) -> list[Path]:
        """The files that `write` writes."""
        return [directory / FOLDER / f"{name}{suffix}" for suffix in SUFFIXES if self.items or suffix != SUFFIXES[2]]


def find_record(root: Path, name: str, hashes: Mapping[str, str]) -> EvaluationRecord | None:
    """Return the record of an evaluation with these hashes from any run below `root`; None where there is none.

    Args:
        root: Directory of the runs of a job.
        name: Name of the evaluation.
        hashes: Hashes of model, tokenizer, data and config.
    """
    for file in sorted(root.rglob(f"{FOLDER}/{name}.json")):
        record = read_record(file, hashes)
        if record is not None:
            return record
    return None


def read_record(file: Path, hashes: Mapping[str, str] | None = None) -> EvaluationRecord | None:
    """Return the record that a NAME.json and the files beside it hold; None where it is none, or not whole.

    Args:
        file: The NAME.json.
        hashes: Those that it must have; None for any.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if hashes is not None and content["hashes"] != dict(hashes):
            return None
        items = read_items(file.with_suffix(".items.jsonl")) if content["items"] else []
        table = file.with_suffix(".txt").read_text(encoding="utf-8").removesuffix("\n")
        name, results = content["evaluation"], content["results"]
        whole = len(items) == content["items"]
        return EvaluationRecord(name, content["hashes"], results, items, table, file.parent.parent) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_items(file: Path) -> list[dict[str, Any]]:
    """Return the records of the items."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
