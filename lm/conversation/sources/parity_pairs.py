"""Pairs of answers about the parity of bits: the better one is right and shows how it was found, generated."""

from collections.abc import Iterator
from dataclasses import replace

from lm.bounds import Count
from lm.conversation.conversation import Message
from lm.conversation.preference import PreferencePair
from lm.conversation.sources.bit_parity import Parity
from lm.conversation.sources.draw import Draw
from lm.conversation.sources.preference_source import PreferenceSource
from lm.files import hash_json


class ParityPairs(PreferenceSource):
    """Answers to rows of bits, of which people would prefer the first.

        1011   chosen 1101 = 1   rejected = 1, a guess without work, right or wrong
        1011   chosen 1101 = 1   rejected 1001 = 1, with a wrong step

    Which fault the rejected answer has is drawn for each row. A right answer at once is rejected as often as a wrong
    one, so what is preferred is the work; a model of these preferences is a proxy of being right, which
    `lm.conversation.sources.Parity` and a reward of its reference measure.

    Args:
        bits: Bits of a row, at most 24.
        count: Rows, at most.
    """

    def __init__(self, *, bits: Count = 10, count: Count = 8000):
        self.rows = Parity(bits=bits, chains=1.0, count=count)

    def fingerprint(self) -> str:
        return hash_json([type(self).__name__, self.rows.fingerprint()])

    def __iter__(self) -> Iterator[PreferencePair]:
        for talk in self.rows:
            asked, answered = talk.messages
            draw = Draw(f"pair {asked.content}")
            worse = _at_once(draw) if draw("fault", 2) else _with_wrong_step(answered.content, draw)
            yield PreferencePair(talk, replace(talk, messages=(asked, Message("assistant", worse))))


def _at_once(draw: Draw) -> str:
    return f"= {draw('guess', 2)}"


def _with_wrong_step(worked: str, draw: Draw) -> str:
    """The worked answer with one bit turned over, and an answer that agrees with the last bit."""
    steps = worked.partition(" ")[0]
    place = draw("step", len(steps))
    wrong = "1" if steps[place] == "0" else "0"
    steps = f"{steps[:place]}{wrong}{steps[place + 1 :]}"
    return f"{steps} = {steps[-1]}"
