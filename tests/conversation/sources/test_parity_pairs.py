"""The chosen answer is right and worked; the rejected one is a guess, or has a wrong step."""

from itertools import accumulate
from operator import xor

from lm.conversation.sources import ParityPairs

PAIRS = [*ParityPairs(bits=6)]


def worked(row: str) -> str:
    return "".join(map(str, accumulate(map(int, row), xor)))


def test_the_chosen_answer_is_the_worked_one_and_every_row_is_there_once():
    rows = [pair.chosen.messages[0].content for pair in PAIRS]
    assert len({*rows}) == len(rows) == 64
    for pair, row in zip(PAIRS, rows, strict=True):
        pair.check()
        assert pair.chosen.messages[1].content == f"{worked(row)} = {row.count('1') % 2}"
        assert pair.rejected.messages[0] == pair.chosen.messages[0]
        assert pair.key == pair.chosen.group


def test_a_rejected_answer_is_a_guess_or_has_one_wrong_step():
    guesses = [pair for pair in PAIRS if pair.rejected.messages[1].content.startswith("= ")]
    right = [str(pair.chosen.messages[0].content.count("1") % 2) for pair in guesses]
    assert 16 < len(guesses) < 48
    assert {pair.rejected.messages[1].content == f"= {bit}" for pair, bit in zip(guesses, right, strict=True)} == {
        True,
        False,
    }
    for pair in PAIRS:
        if pair in guesses:
            continue
        steps, _, last = pair.rejected.messages[1].content.partition(" = ")
        differs = [a != b for a, b in zip(steps, worked(pair.chosen.messages[0].content), strict=True)]
        assert sum(differs) == 1
        assert last == steps[-1]


def test_pairs_are_the_same_each_time_and_the_fingerprint_names_them():
    assert [*ParityPairs(bits=6)] == PAIRS
    assert ParityPairs(bits=6).fingerprint() != ParityPairs(bits=6, count=32).fingerprint()
