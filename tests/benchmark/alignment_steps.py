"""What both sides of alignment.py share: sizes of the runs, the reward, and what a process prints."""

import json
import resource
from time import perf_counter, process_time

STEPS, WARM = {"dpo": 10, "dpo_cached": 10, "grpo": 5}, {"dpo": 3, "dpo_cached": 3, "grpo": 2}
PAIRS, PROMPTS, GROUP, LONGEST = 16, 8, 8, 64  # of a step; completions of a prompt; tokens of a completion


def letters(text: str) -> float:
    """A reward that differs between nearly all texts."""
    return sum(map(ord, text)) % 97 / 97


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Steps:
    """When steps ended, by CPU and wall, and the memory before the first."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float, float]] = []  # CPU seconds, wall seconds, pairs or prompts read until then
        self.read = self.before = 0.0

    def start(self) -> None:
        self.before = peak_mb()

    def end(self, read: float) -> None:
        """Note the end of a step.

        Args:
            read: Pairs or prompts of the step.
        """
        self.read += read
        self.ends.append((process_time(), perf_counter(), self.read))

    def report(self, kind: str) -> None:
        """Print the result as the last line: seconds of a step of `PAIRS` pairs or `PROMPTS` prompts."""
        (first_cpu, first_wall, before), (last_cpu, last_wall, after) = self.ends[WARM[kind] - 1], self.ends[-1]
        steps = (after - before) / (PROMPTS if kind == "grpo" else PAIRS)
        seconds = {"cpu_seconds": (last_cpu - first_cpu) / steps, "seconds": (last_wall - first_wall) / steps}
        print(json.dumps({**seconds, "peak_mb": peak_mb(), "growth_mb": peak_mb() - self.before}))
