"""Answers that are malformed: cut off, an echo of the question, or with markers of a prompt."""

import re

from lm.conversation import Conversation, Message
from lm.corpus import Dropped
from lm.curation.prose import prose_of
from lm.curation.rules import ConversationRule

ENDS = re.compile(r"[.!?…。！？:;)\]}>\"'”’»`*|]\s*$")
COMPLETE = re.compile(r"(?:https?://\S+|[=≈]\s*[-+−]?[$€£]?\d[\d.,/]*\S*|#\w+)\s*$")  # address, result, tag
PROSE = 20  # words from which on a last line is taken for prose, which ends with punctuation
MARKERS = re.compile(
    r"^\s*#{2,} *(?:instruction|input|response|output)s?:"  # the prompt of Alpaca
    r"|^\s*(?:human|assistant|user|system) ?: "  # transcripts
    r"|<\|[a-z_]{2,20}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:no)?input>",
    re.IGNORECASE | re.MULTILINE,
)
FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)


class Form(ConversationRule):
    """Drop conversations with a malformed answer. Each check can be turned off.

    Args:
        unfinished: Drop answers that are cut off: a code fence that is not closed, or a last line of 20 words or more
            without closing punctuation. Shorter last lines pass, as in lists, verse and tables, as do lines of code and
            those that end with a result, an address or a tag.
        echoes: Drop answers that repeat the question.
        markers: Drop answers with markers of the prompt that they were generated from: `### Instruction:`, `Human:`,
            `<|im_end|>`, `[INST]`.
    """

    def __init__(self, *, unfinished: bool = True, echoes: bool = True, markers: bool = True):
        self.unfinished, self.echoes, self.markers = unfinished, echoes, markers

    def judge(self, conversation: Conversation) -> Dropped | None:
        question = ""
        for turn in conversation.messages:
            if turn.role == "assistant" and (dropped := self._judge_answer(turn, question)):
                return dropped
            question = turn.content if turn.role == "user" else question
        return None

    def _judge_answer(self, turn: Message, question: str) -> Dropped | None:
        answer = turn.content
        if self.echoes and question and _normalize(answer) == _normalize(question):
            return Dropped("the answer is the question", _end(answer))
        if self.markers and (marker := MARKERS.search(answer)):
            return Dropped("marks of a prompt in the answer", marker[0].strip())
        if self.unfinished and len(FENCE.findall(answer)) % 2:
            return Dropped("code that does not end", _end(answer))
        if self.unfinished and _is_cut_off(answer):
            return Dropped("unfinished answer", _end(answer))
        return None


def _is_cut_off(answer: str) -> bool:
    last = answer.rstrip().rpartition("\n")[2]
    if len(last.split()) < PROSE or ENDS.search(last) or COMPLETE.search(last):
        return False
    return prose_of(answer).rstrip().endswith(last.rstrip())


def _normalize(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".?!")


def _end(text: str) -> str:
    return f"…{text.rstrip()[-40:]!r}"
