"""Whether a row of bits has an odd number of ones, answered at once or after a worked chain, generated."""

from collections.abc import Iterator
from itertools import accumulate
from operator import xor

from lm.bounds import Count, Share
from lm.conversation.conversation import Conversation, Message
from lm.conversation.sources.draw import Draw
from lm.conversation.sources.source import ConversationSource
from lm.files import hash_json


class Parity(ConversationSource):
    """Rows of bits and their parity, the same on every machine.

        1011   → = 1            at once
        1011   → 1101 = 1       worked: the parity of the bits so far, bit by bit

    A small model learns the chain, and hardly ever the answer at once. Below about a third of worked answers training
    on tokens prefers the short answer and stays at chance; reinforcement learning from the reward alone then finds the
    chain, and replies grow longer (arXiv:2510.11495).

    Args:
        bits: Bits of a row, at most 24.
        chains: Share of the rows that have a worked answer, drawn for each.
        count: Rows, at most.
    """

    def __init__(self, *, bits: Count = 10, chains: Share = 0.2, count: Count = 8000):
        if bits > 24:
            raise ValueError(f"data.conversations.bits={bits} is more than 24: try 10")
        self.bits, self.chains, self.count = bits, chains, min(count, 2**bits)

    def fingerprint(self) -> str:
        return hash_json([type(self).__name__, self.bits, self.chains, self.count])

    def __iter__(self) -> Iterator[Conversation]:
        for number in range(self.count):
            row = f"{self._row(number):0{self.bits}b}"
            running = "".join(map(str, accumulate(map(int, row), xor)))
            worked = Draw(f"parity {row}")("worked", 1000) < 1000 * self.chains
            answer = f"{running} = {running[-1]}" if worked else f"= {running[-1]}"
            turns = Message("user", row), Message("assistant", answer)
            yield Conversation(turns, task="parity", group=row, place=f"row {number + 1}")

    def _row(self, number: int) -> int:
        """The bits of a row: an odd multiplier visits every number once before it repeats one."""
        return (number * 0x9E3779B1 + 0x7F4A7C15) % 2**self.bits
