"""Counts of items that a source changed, skipped or could not read, additive over its parts."""

from collections import Counter
from dataclasses import dataclass, field

UNREADABLE = "lines could not be read and were skipped"


@dataclass
class Tally:
    """How often each kind of change or omission occurred in one reading of a source, and how many lines were bad.

    Plain data, for JSON and for other processes.

    Args:
        counts: Number of occurrences by clause, such as "pages had no main text and were skipped".
        bad: Number of lines or rows that could not be read.
        first_bad: The first of them: its place and what is wrong with it.
        last_bad: The last of them.
        first: Where the first occurrence was, by clause, for those that name a place.
    """

    counts: dict[str, int] = field(default_factory=dict)
    bad: int = 0
    first_bad: str = ""
    last_bad: str = ""
    first: dict[str, str] = field(default_factory=dict)

    def count(self, clause: str, times: int = 1, *, where: str = "") -> None:
        """Count more occurrences.

        Args:
            clause: What occurred; begins with a plural noun: "pages had no main text".
            times: How often.
            where: The place; the note names the first.
        """
        if times:
            self.counts[clause] = self.counts.get(clause, 0) + times
            if where:
                self.first.setdefault(clause, where)

    def add_bad(self, fault: str) -> None:
        """Count one more line or row that cannot be read; `fault` names its place and the reason."""
        self.bad, self.first_bad, self.last_bad = self.bad + 1, self.first_bad or fault, fault

    def merge(self, following: "Tally") -> None:
        """Add the counts of the part that follows."""
        self.counts = dict(Counter(self.counts) + Counter(following.counts))
        self.first = following.first | self.first
        self.bad += following.bad
        self.first_bad = self.first_bad or following.first_bad
        self.last_bad = following.last_bad or self.last_bad

    def check(self, bad_lines: int) -> None:
        """Raise ValueError if more than `bad_lines` lines could not be read."""
        if self.bad > bad_lines:
            skipped = f" (skipped before it: {self.bad - 1})" if self.bad > 1 else ""
            remedy = f"repair or remove it, or allow more with corpus.bad_lines={max(10, 10 * self.bad)}"
            raise ValueError(f"{self.last_bad}{skipped}: {remedy}")

    def notes(self) -> tuple[str, ...]:
        """One sentence for each clause, with its number."""
        sentences = [
            _sentence(times, clause) + (f", the first: {self.first[clause]}" if clause in self.first else "")
            for clause, times in sorted(self.counts.items())
        ]
        if self.bad:
            sentences.append(f"{_sentence(self.bad, UNREADABLE)}, the first: {self.first_bad}")
        return tuple(sentences)


def _sentence(times: int, clause: str) -> str:
    """Put the number in front, and the clause in the singular for 1."""
    return f"{times} {clause}" if times > 1 else f"1 {clause.replace('s ', ' ', 1).replace(' were ', ' was ')}"
