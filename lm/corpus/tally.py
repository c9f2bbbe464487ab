"""What a reading had to change or leave out, counted so that the counts of parts add up to those of the whole."""

from collections import Counter
from dataclasses import dataclass, field

BAD = "lines could not be read and were left out"


@dataclass
class Tally:
    """How often a reading met each thing that is worth a note, and what could not be read at all.

    Plain data, for JSON and for other processes. Of what could not be read the first and the last are kept, each with
    its place and what is wrong with it.
    """

    counts: dict[str, int] = field(default_factory=dict)
    bad: int = 0
    first_bad: str = ""
    last_bad: str = ""

    def count(self, what: str, times: int = 1) -> None:
        """Met so many times; `what` is a clause about many, as "files were no pages and were left out"."""
        if times:
            self.counts[what] = self.counts.get(what, 0) + times

    def add_bad(self, fault: str) -> None:
        """One more line or row that cannot be read; `fault` says where it is and why."""
        self.bad, self.first_bad, self.last_bad = self.bad + 1, self.first_bad or fault, fault

    def add(self, following: "Tally") -> None:
        """Add what was met in the part that comes next."""
        self.counts = dict(Counter(self.counts) + Counter(following.counts))
        self.bad += following.bad
        self.first_bad = self.first_bad or following.first_bad
        self.last_bad = following.last_bad or self.last_bad

    def check(self, bad_lines: int) -> None:
        """Raise where more could not be read than `bad_lines` allows."""
        if self.bad > bad_lines:
            skipped = f" (skipped before it: {self.bad - 1})" if self.bad > 1 else ""
            remedy = f"mend or remove it, or let more be skipped with corpus.bad_lines={max(10, 10 * self.bad)}"
            raise ValueError(f"{self.last_bad}{skipped}: {remedy}")

    def notes(self) -> tuple[str, ...]:
        """In words, one sentence for each thing."""
        told = [_in_words(count, what) for what, count in sorted(self.counts.items())]
        return (*told, f"{_in_words(self.bad, BAD)}, the first: {self.first_bad}") if self.bad else tuple(told)


def _in_words(count: int, what: str) -> str:
    """The clause with its number, which may be one."""
    return f"{count} {what}" if count > 1 else f"1 {what.replace('s ', ' ', 1).replace(' were ', ' was ')}"
