"""Additions, generated: `12 + 7 =` and `19`."""

from collections.abc import Iterator

from lm.bounds import Count
from lm.conversation.conversation import Conversation, Message
from lm.conversation.sources.draw import Draw
from lm.conversation.sources.source import ConversationSource
from lm.files import hash_json


class Sums(ConversationSource):
    """Additions of two numbers with up to `digits` digits, each once, in the same order on every machine.

    Args:
        digits: Digits of a number, at most; each number of digits is equally frequent, so some sums are easy.
        count: Sums, at most.
    """

    def __init__(self, *, digits: Count = 2, count: Count = 4000):
        self.digits, self.count = digits, count

    def fingerprint(self) -> str:
        return hash_json([type(self).__name__, self.digits, self.count])

    def __iter__(self) -> Iterator[Conversation]:
        seen: set[tuple[int, int]] = set()
        for number in range(20 * self.count):  # of few digits there are fewer sums
            if len(seen) == self.count:
                return
            draw = Draw(f"sum {number}")
            left, right = (draw(side, 10 ** (1 + draw(f"{side} digits", self.digits))) for side in ("left", "right"))
            if (left, right) not in seen:
                seen.add((left, right))
                question, answer = Message("user", f"{left} + {right} ="), Message("assistant", f"{left + right}")
                yield Conversation((question, answer), task="sums", place=f"sum {len(seen)}")
