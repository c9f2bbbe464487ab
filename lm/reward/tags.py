"""Answers between tags, as in <think>…</think> <answer>…</answer>."""

import re
from collections.abc import Sequence
from dataclasses import replace

from lm.conversation import Message
from lm.conversation.conversation import THOUGHT_MARKS
from lm.reward.reward import Answer, AnswerReward, Reward

TAG = re.compile(r"[A-Za-z][\w-]*")


class TagFormat(AnswerReward):
    """1 if an answer is made of the given tags, each once and in order, with text in each and none outside; else 0.

    `<think></think>a`, a tag within a tag, and a tag that is opened twice score 0.

    Args:
        tags: Names of the tags in order, without brackets.
        only: Whether nothing but white space may stand outside the tags.
    """

    def __init__(self, tags: list[str], *, only: bool = True) -> None:
        _check_tags(tags)
        if not tags:
            raise ValueError("reward.tags is empty: give names such as [think, answer]")
        if repeated := [tag for tag in tags if tags.count(tag) > 1]:
            raise ValueError(f"reward.tags has {repeated[0]} twice: each tag stands once in an answer")
        self.tags, self.only = list(tags), only
        self.marks = re.compile("|".join(f"</?{re.escape(tag)}>" for tag in tags))

    def score(self, answer: Answer) -> float | None:
        expected = [mark for tag in self.tags for mark in (f"<{tag}>", f"</{tag}>")]
        if self.marks.findall(answer.text) != expected:
            return 0.0
        pieces = [bool(piece.strip()) for piece in self.marks.split(answer.text)]
        inside, outside = pieces[1::2], pieces[::2]
        return float(all(inside) and not (self.only and any(outside)))


class Tagged(Reward):
    """What a tag contains, scored by another reward.

    An answer must have the tag once: without it, or with several that could name several answers, the score is 0. What
    the other reward cannot score stays not scorable.

    Args:
        reward: Scores the text between `<tag>` and `</tag>`.
        tag: Name of the tag, without brackets.
    """

    def __init__(self, reward: Reward, *, tag: str = "answer") -> None:
        _check_tags([tag])
        self.reward, self.tag = reward, tag
        self.needs_reference = reward.needs_reference

    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        found = [self._inside(answer.text) for answer in answers]
        inner = [replace(answer, text=text or "") for answer, text in zip(answers, found, strict=True)]
        scores = self.reward(inner)
        return [0.0 if text is None and score is not None else score for text, score in zip(found, scores, strict=True)]

    def _inside(self, text: str) -> str | None:
        first, last = f"<{self.tag}>", f"</{self.tag}>"
        if text.count(first) != 1 or text.count(last) != 1 or text.index(first) > text.index(last):
            return None
        return text.partition(first)[2].partition(last)[0].strip()


class AfterThoughts(Reward):
    """What follows the thoughts of an answer, scored by another reward.

    Thoughts end with the last `</think>` (or `</thinking>`, `</thought>`, `</reasoning>`, `[/THINK]`). Thoughts that
    never end leave an empty answer.

    Args:
        reward: Scores the text after the thoughts.
    """

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.needs_reference = reward.needs_reference

    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        return self.reward([replace(answer, text=_spoken(answer.text)) for answer in answers])


def _spoken(text: str) -> str:
    marks = THOUGHT_MARKS.findall(text)
    return "" if marks and "/" not in marks[-1] else Message("assistant", text).spoken


def _check_tags(tags: list[str]) -> None:
    for tag in tags:
        if not TAG.fullmatch(tag):
            raise ValueError(f"reward.tags: {tag!r} is not the name of a tag: write answer for <answer>…</answer>")
