"""Answers that are none: cut off, an echo, or with pieces of the prompt that they were generated from."""

import re

from lm.conversation import Conversation, Message
from lm.corpus import Dropped
from lm.curation.rule import EachRule

ENDS = re.compile(r"[.!?…。！？:;)\]}>\"'”’»`*|]\s*$")
LONG = 20  # words from which on an answer that is prose ends with a mark
MARKS = re.compile(
    r"^\s*#{2,} *(?:instruction|input|response|output)s?:"  # of Alpaca's prompt
    r"|^\s*(?:human|assistant|user|system) ?: "  # of transcripts
    r"|<\|[a-z_]{2,20}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:no)?input>",
    re.IGNORECASE | re.MULTILINE,
)
FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)


class Form(EachRule):
    """Each check can be turned off; code within fences is not judged as prose."""

    def __init__(self, *, unfinished: bool = True, echoes: bool = True, marks: bool = True):
        self.unfinished, self.echoes, self.marks = unfinished, echoes, marks

    def judge(self, conversation: Conversation) -> Dropped | None:
        question = ""
        for turn in conversation.messages:
            if turn.role == "assistant" and (found := self._answer(turn, question)):
                return found
            question = turn.content if turn.role == "user" else question
        return None

    def _answer(self, turn: Message, question: str) -> Dropped | None:
        answer = turn.content
        if self.echoes and question and _plain(answer) == _plain(question):
            return Dropped("the answer is the question", _end(answer))
        if self.marks and (mark := MARKS.search(answer)):
            return Dropped("marks of a prompt in the answer", mark[0].strip())
        if self.unfinished and len(FENCE.findall(answer)) % 2:
            return Dropped("code that does not end", _end(answer))
        if self.unfinished and _is_cut_off(answer):
            return Dropped("unfinished answer", _end(answer))
        return None


def _is_cut_off(answer: str) -> bool:
    """Whether its last line is prose that stops without a mark. Lists, verse and tables of short lines have none."""
    last = answer.rstrip().rpartition("\n")[2]
    return len(last.split()) >= LONG and not ENDS.search(last)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".?!")


def _end(text: str) -> str:
    return f"…{text.rstrip()[-40:]!r}"
