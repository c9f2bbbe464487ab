"""Questions and answers of a length that something can be learned from."""

from lm.bounds import Count, Natural
from lm.conversation import Conversation
from lm.corpus import Dropped
from lm.curation.rule import EachRule


class Lengths(EachRule):
    """Bounds on each question and each answer, in words between blanks; null is none.

    Short answers are not wrong: `yes` is the answer to many a question. What a lower bound on answers buys is longer
    replies, and Zhou et al. 2023 (LIMA, arXiv:2305.11206) and Chen et al. 2023 find that to be much of what readers
    prefer.
    """

    def __init__(
        self,
        *,
        min_question: Natural = 1,
        max_question: Count | None = 1000,
        min_answer: Natural = 1,
        max_answer: Count | None = 1000,
        max_turns: Count | None = None,
    ):
        for part, least, most in (("question", min_question, max_question), ("answer", min_answer, max_answer)):
            if most is not None and least > most:
                raise ValueError(f"min_{part} {least} is more than max_{part} {most}: nothing is left between them")
        self.bounds = {"user": (min_question, max_question), "assistant": (min_answer, max_answer)}
        self.max_turns = max_turns

    def judge(self, conversation: Conversation) -> Dropped | None:
        turns = conversation.messages
        if self.max_turns is not None and len(turns) > self.max_turns:
            return Dropped("too many turns", f"{len(turns)}, more than {self.max_turns}")
        for turn in turns:
            least, most = self.bounds.get(turn.role, (0, None))
            name, words = {"user": "question", "assistant": "answer"}.get(turn.role), len(turn.content.split())
            if words < least:
                return Dropped(f"{name} too short", f"{words} words, fewer than {least}")
            if most is not None and words > most:
                return Dropped(f"{name} too long", f"{words} words, more than {most}")
        return None
