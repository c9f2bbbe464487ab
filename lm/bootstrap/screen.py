"""Which of what a model writes is kept: what is new, can be done in words, and has an answer.

The rules and their numbers are those of Self-Instruct (Wang et al. 2023, arXiv:2212.10560, section 2.2 and its code).
"""

import re
from collections.abc import Iterable, Sequence

from lm.bootstrap.likeness import Known
from lm.bootstrap.task import Instance
from lm.bounds import Count, Share

# What a model of text cannot see or show.
BEYOND_TEXT = ("image", "images", "picture", "pictures", "photo", "photos", "graph", "graphs", "diagram", "chart",
               "file", "files", "video", "audio", "music", "draw", "plot", "map", "flowchart", "go to")  # fmt: skip


class Screen:
    """Refuses an instruction of fewer than `min_words` or more than `max_words`, with a word of `beyond`, or more like
    one there is already than `most_alike` by ROUGE-L; and instances that say nothing."""

    def __init__(
        self,
        *,
        min_words: Count = 3,
        max_words: Count = 150,
        most_alike: Share = 0.7,
        beyond: Sequence[str] = BEYOND_TEXT,
    ):
        if min_words > max_words:
            raise ValueError(f"screen.min_words={min_words} is more than screen.max_words={max_words}")
        self.min_words, self.max_words, self.most_alike, self.beyond = min_words, max_words, most_alike, tuple(beyond)
        self._beyond = re.compile(rf"\b(?:{'|'.join(map(re.escape, beyond)) or '(?!)'})\b", re.IGNORECASE)

    def instruction(self, text: str, known: Known) -> str:
        """Why an instruction is not taken, "" if it is."""
        words = len(text.split())
        if words < self.min_words:
            return "too short"
        if words > self.max_words:
            return "too long"
        if not text[0].isalnum() and text[0] not in "\"'“‘«¿¡(":
            return "begins with a mark"
        if not any(map(str.isalpha, text)):
            return "no words"
        if self._beyond.search(text):
            return "beyond text"
        if known.most_alike(text, above=self.most_alike) > self.most_alike:
            return "like one before"
        return ""

    def instances(self, found: Iterable[Instance | None]) -> tuple[list[Instance], list[str]]:
        """Those to keep, and why the others are not: no answer, an answer that only repeats what was given, the same
        again; of one input with several answers none is right."""
        kept: dict[str, Instance] = {}
        reasons, torn = [], set()
        for each in found:
            if each is None:
                reasons.append("no answer")
            elif each.output == each.input:
                reasons.append("answer is the input")
            elif each.input in torn:
                reasons.append("several answers to one input")
            elif each.input not in kept:
                kept[each.input] = each
            elif kept[each.input] == each:
                reasons.append("the same instance")
            else:
                del kept[each.input]
                torn.add(each.input)
                reasons += ["several answers to one input"] * 2
        return list(kept.values()), reasons
