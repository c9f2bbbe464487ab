"""What a run directory says of its run, read for its page: the manifest, metrics, samples and records."""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

from lm.directory.catalogue import FoundRun
from lm.directory.manifest import read_manifest

EVALUATIONS = "evaluations"  # within the directory of a run
SAMPLE = re.compile(r"^── step (\d+) ──$", re.MULTILINE)
Points = tuple[list[int], list[float]]  # steps and values


@dataclass(frozen=True)
class RunFacts:
    """The run in a directory.

    Args:
        directory: Where it lies.

    Raises:
        FileNotFoundError: The directory is not that of a run.
    """

    directory: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return read_manifest(self.directory)

    @cached_property
    def found(self) -> FoundRun:
        """The run as the list of runs has it; size and time of change are left out, as they say nothing of the run."""
        return FoundRun(self.directory, self.title, self.manifest, 0, 0.0)

    @property
    def title(self) -> str:
        return (
            f"{self.manifest.get('job', self.directory.parent.name)}/{self.manifest.get('name', self.directory.name)}"
        )

    @property
    def result(self) -> Mapping[str, Any]:
        """What the finished run recorded; empty before."""
        return self.manifest.get("result") or {}

    @property
    def executions(self) -> list[dict[str, Any]]:
        """Each start of the run: command, commit, machine; empty in runs of earlier versions."""
        return self.manifest.get("executions", [])

    @property
    def peak(self) -> dict[str, Any]:
        """What the last start noted of the machine's peak: devices, peak_flops, flops_per_token; empty without it."""
        last = self.executions[-1] if self.executions else {}
        known = all(isinstance(last.get(name), int | float) for name in ("devices", "peak_flops", "flops_per_token"))
        return last if known and last["devices"] * last["peak_flops"] > 0 else {}

    @property
    def share_of_peak(self) -> Points:
        """The share of what its devices can do, by step: that of the arithmetic of the model; empty where unknown."""
        steps, rates = self.metrics.get("train/tokens_per_second", ([], []))
        if not self.peak:
            return [], []
        each = self.peak["flops_per_token"] / (self.peak["peak_flops"] * self.peak["devices"])
        return steps, [rate * each for rate in rates]

    @property
    def device_hours(self) -> float:
        """Hours of all starts that ended by themselves, times the devices of each."""
        return sum(each["seconds"] * _devices(each) for each in self.executions if each.get("seconds")) / 3600

    @property
    def price(self) -> float | None:
        """The price of an hour of a device, if the config of the run has one: `prices.here`."""
        named = (self.manifest["config"].get("prices") or {}).get("here")
        return float(named) if isinstance(named, int | float) else None

    @cached_property
    def metrics(self) -> dict[str, Points]:
        """Each metric of metrics.csv with its steps, in the order of the file; rows that cannot be read are left out.

        Values that are not finite are left out too: a page has no place to draw them.
        """
        found: dict[str, Points] = {}
        for row in self._rows("metrics.csv"):
            step = row.pop("step", None) or ""
            for name, text in row.items() if step.isdigit() else ():
                value = _number(text)
                if value is not None and name:
                    steps, values = found.setdefault(name, ([], []))
                    steps.append(int(step))
                    values.append(value)
        return {name: points for name, points in found.items() if points[0]}

    @cached_property
    def samples(self) -> list[tuple[int, list[str]]]:
        """What the model wrote at each validation: step and texts."""
        parts = SAMPLE.split(self._text("samples.txt"))[1:]
        found: dict[int, list[str]] = {}
        for step, text in zip(parts[::2], parts[1::2], strict=True):
            found.setdefault(int(step), []).append(text.strip("\n"))
        return sorted(found.items())

    @cached_property
    def funnel(self) -> list[dict[str, Any]]:
        """The steps of a corpus, each with what it dropped; empty without filters."""
        return self._json("funnel.json").get("steps", [])

    @cached_property
    def corpus(self) -> dict[str, Any]:
        """Splits of a corpus, each with its kinds and their sizes; empty for other runs."""
        return self._json("corpus.json").get("splits", {})

    @cached_property
    def evaluations(self) -> dict[str, str]:
        """The table of each evaluation, as the terminal has shown it."""
        names = sorted(name for name in self.manifest.get("outputs", ()) if name.endswith(".txt"))
        return {Path(name).stem: self._text(name) for name in names}

    def results_of(self, evaluation: str) -> dict[str, Any]:
        """The results of an evaluation as plain data; empty where the run has its table alone."""
        found = self._json(f"{EVALUATIONS}/{evaluation}.json").get("results", {})
        return found if isinstance(found, dict) else {}

    def _text(self, name: str) -> str:
        file = self.directory / name
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self._text(name) or "{}")
        except ValueError:  # damaged: the job that reads it says so
            return {}
        return found if isinstance(found, dict) else {}

    def _rows(self, name: str) -> list[dict[str, str]]:
        text = self._text(name).replace("\0", "")
        return list(csv.DictReader(text.splitlines())) if text else []


def _devices(execution: Mapping[str, Any]) -> int:
    """The devices of a start: those that it noted, else its GPUs, else the processor."""
    return execution.get("devices") or len(execution.get("gpus", ())) or 1


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if isfinite(value) else None
