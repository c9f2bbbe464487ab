"""Drop instructions that are not new or not a task for text, and instances without a usable answer.

Rules and thresholds are those of Self-Instruct (Wang et al. 2023, arXiv:2212.10560, section 2.2 and its code).
"""

import re
from collections.abc import Iterable, Sequence

from lm.bootstrap.rouge import RougeIndex
from lm.bootstrap.task import Instance
from lm.bounds import Count, Share

# What a text model can neither read nor show.
BLOCKED_WORDS = ("image", "images", "picture", "pictures", "photo", "photos", "graph", "graphs", "diagram", "chart",
                 "file", "files", "video", "audio", "music", "draw", "plot", "map", "flowchart", "go to")  # fmt: skip


class Screen:
    """The rules for instructions and instances.

    Args:
        min_words: Fewest words of an instruction.
        max_words: Most words of an instruction.
        max_similarity: Largest ROUGE-L of an instruction with any earlier one; 0.7 as in Self-Instruct.
        blocked_words: Words and phrases that an instruction may not have, in any case.
    """

    def __init__(
        self,
        *,
        min_words: Count = 3,
        max_words: Count = 150,
        max_similarity: Share = 0.7,
        blocked_words: Sequence[str] = BLOCKED_WORDS,
    ):
        if min_words > max_words:
            raise ValueError(f"screen.min_words={min_words} is more than screen.max_words={max_words}")
        self.min_words, self.max_words = min_words, max_words
        self.max_similarity, self.blocked_words = max_similarity, tuple(blocked_words)
        self._blocked = re.compile(rf"\b(?:{'|'.join(map(re.escape, blocked_words)) or '(?!)'})\b", re.IGNORECASE)

    def instruction(self, text: str, known: RougeIndex) -> str:
        """Return why an instruction is dropped, "" if it is not."""
        words = len(text.split())
        if words < self.min_words:
            return "too short"
        if words > self.max_words:
            return "too long"
        if not text[0].isalnum() and text[0] not in "\"'“‘«¿¡(":
            return "begins with a mark"
        if not any(map(str.isalpha, text)):
            return "no words"
        if self._blocked.search(text):
            return "beyond text"
        if known.max_similarity(text, above=self.max_similarity) > self.max_similarity:
            return "like one before"
        return ""

    def instances(self, candidates: Iterable[Instance | None]) -> tuple[list[Instance], list[str]]:
        """Return the instances to keep, and the reasons why others are dropped.

        An input with several answers is dropped whole, since at most one of them is right.
        """
        kept: dict[str, Instance] = {}
        reasons, ambiguous = [], set()
        for instance in candidates:
            if instance is None:
                reasons.append("no answer")
            elif instance.output == instance.input:
                reasons.append("answer is the input")
            elif instance.input in ambiguous:
                reasons.append("several answers to one input")
            elif instance.input not in kept:
                kept[instance.input] = instance
            elif kept[instance.input] == instance:
                reasons.append("the same instance")
            else:
                del kept[instance.input]
                ambiguous.add(instance.input)
                reasons += ["several answers to one input"] * 2
        return list(kept.values()), reasons
