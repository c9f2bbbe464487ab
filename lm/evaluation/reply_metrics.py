"""How a reply is compared with the right answers."""

import re
import string
from collections import Counter
from collections.abc import Sequence

from lm.evaluation.metrics import Metric
from lm.evaluation.reply import Replied
from lm.reward import Answer, AnswerReward

ARTICLES = re.compile(r"\b(a|an|the)\b")


class ExactMatch(Metric):
    """1 if what is extracted from the reply is what is extracted from a right answer, else 0.

    Args:
        pattern: Regular expression that finds the answer in a reply, by its first group that matches, or as a whole
            without groups; a reply without a match is wrong. null takes the whole reply.
        last: Whether the last match counts, rather than the first.
        remove: Regular expressions whose matches are removed from both sides, as [",", "\\\\$"], one after another.
        ignore_case: Compare without regard to case.
        ignore_spaces: Compare without white space at both ends.
    """

    def __init__(
        self,
        *,
        pattern: str | None = None,
        last: bool = False,
        remove: Sequence[str] = (),
        ignore_case: bool = False,
        ignore_spaces: bool = True,
    ):
        self.pattern, self.last = pattern and _compiled(pattern, "pattern"), last
        self.remove = [_compiled(each, "remove") for each in remove]
        self.ignore_case, self.ignore_spaces = ignore_case, ignore_spaces

    def __call__(self, answered: Replied) -> float:
        said = self._extracted(answered.text)
        right = answered.answers or ("",)
        return float(said is not None and any(self._plain(said) == self._plain(each) for each in right))

    def _extracted(self, text: str) -> str | None:
        if self.pattern is None:
            return text
        found = [*self.pattern.finditer(text)]
        if not found:
            return None
        chosen = found[-1 if self.last else 0]
        return next((group for group in chosen.groups() if group), chosen[0])

    def _plain(self, text: str) -> str:
        for each in self.remove:
            text = each.sub("", text)
        text = text.strip() if self.ignore_spaces else text
        return text.lower() if self.ignore_case else text


class WordMatch(Metric):
    """1 if the words of the reply are those of a right answer: without case, punctuation and articles, as in SQuAD.

    Args:
        within: Count a reply that contains the answer's words too, as jeopardy-style questions do.
    """

    def __init__(self, *, within: bool = False):
        self.within = within

    def __call__(self, answered: Replied) -> float:
        said = words(answered.text)
        for each in answered.answers or ("",):
            right = words(each)
            if said == right or (self.within and right and f" {' '.join(right)} " in f" {' '.join(said)} "):
                return 1.0
        return 0.0


class F1(Metric):
    """Overlap of the words of the reply with those of the nearest right answer: harmonic mean of precision and recall.

    Words are compared as SQuAD does; an empty reply to a question without an answer has 1.
    """

    share = False

    def __call__(self, answered: Replied) -> float:
        return max(word_overlap(answered.text, each) for each in answered.answers or ("",))


class Rewarded(Metric):
    """The score that a reward gives a reply, with the first right answer as its reference; no score counts as 0.

    Args:
        reward: A reward of one answer, such as `lm.reward.NumericAnswer`.
        share: Whether the reward is always 0 or 1.
    """

    def __init__(self, reward: AnswerReward, *, share: bool = True):
        self.reward, self.share = reward, share

    def __call__(self, answered: Replied) -> float:
        references = answered.answers or (None,)
        scores = [
            self.reward.score(Answer(text=answered.text, reference=each, finished=answered.finished))
            for each in references
        ]
        return max((score for score in scores if score is not None), default=0.0)


def words(text: str) -> list[str]:
    """Return the words of a text as SQuAD compares them: lower case, without punctuation and articles."""
    bare = "".join(each for each in text.lower() if each not in string.punctuation)
    return ARTICLES.sub(" ", bare).split()


def word_overlap(reply: str, answer: str) -> float:
    """Return F1 of the words of two texts; where one has none, whether both have none."""
    said, right = words(reply), words(answer)
    if not said or not right:
        return float(said == right)
    common = sum((Counter(said) & Counter(right)).values())
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(right)
    return 2 * precision * recall / (precision + recall)


def _compiled(pattern: str, name: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"evaluation.{name} {pattern!r} is not a regular expression: {error}") from None
