"""What is too long is taken apart between exchanges only, and keeps its system."""

import random

import pytest

from lm.conversation import Conversation, Message
from lm.data.too_long import parted, split, truncated


def said(letters: str) -> Conversation:
    """s system, u user, a assistant, t tool; what each says is its place."""
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    messages = (Message(roles[letter], f"{place}") for place, letter in enumerate(letters))
    return Conversation(tuple(messages), task="talk", group="g", place="chat.jsonl:7")


def letters(conversation: Conversation) -> str:
    return "".join(message.role[0] for message in conversation.messages)


def shorter(most: int):
    return lambda conversation: len(conversation.messages) <= most


def random_letters(draw: random.Random) -> str:
    exchanges = (draw.choice(["ua", "uua", "uata", "uataa"]) for _ in range(draw.randint(1, 6)))
    return draw.choice(["", "s", "sa", "a"]) + "".join(exchanges) + draw.choice(["", "u", "t"])


@pytest.mark.parametrize(
    ("whole", "system", "exchanges"),
    [
        ("suaua", "s", ["ua", "ua"]),
        ("uaauataua", "", ["uaa", "uata", "ua"]),
        ("saua", "s", ["a", "ua"]),
        ("uua", "", ["uua"]),
        ("uau", "", ["ua"]),
        ("uatu", "", ["ua"]),
        ("su", "", []),
    ],
)
def test_an_exchange_lasts_until_a_user_speaks_after_an_answer(whole, system, exchanges):
    found, rest = parted(said(whole))
    assert "".join(message.role[0] for message in found) == system
    assert ["".join(message.role[0] for message in exchange) for exchange in rest] == exchanges


@pytest.mark.parametrize(
    ("whole", "most", "left"),
    [
        ("suauaua", 5, "suaua"),
        ("suauaua", 4, "sua"),
        ("suauaua", 2, None),
        ("uauauatau", 5, "uata"),
        ("uauau", 4, "uaua"),
        ("aua", 2, "ua"),
    ],
)
def test_truncation_leaves_the_last_exchanges_that_fit(whole, most, left):
    found = truncated(said(whole), shorter(most))
    assert [letters(one) for one in found] == ([] if left is None else [left])
    for one in found:
        assert one.messages[-1] == next(m for m in reversed(said(whole).messages) if m.role == "assistant")
        assert (one.task, one.group, one.place) == ("talk", "g", "chat.jsonl:7")


@pytest.mark.parametrize(
    ("whole", "most", "parts"),
    [
        ("suauaua", 5, ["suaua", "sua"]),
        ("suauaua", 3, ["sua", "sua", "sua"]),
        ("uauataua", 3, ["ua", "ua"]),
        ("uatauaua", 4, ["uata", "uaua"]),
        ("uata", 3, []),
    ],
)
def test_parts_are_exchanges_in_a_row_and_one_that_does_not_fit_alone_is_left_out(whole, most, parts):
    assert [letters(one) for one in split(said(whole), shorter(most))] == parts


def test_no_turn_comes_twice_or_out_of_its_place_and_all_that_is_kept_fits():
    draw = random.Random(0)
    for _ in range(300):
        whole, most = said(random_letters(draw)), draw.randint(1, 9)
        for shorten in (split, truncated):
            parts = shorten(whole, shorter(most))
            assert all(len(part.messages) <= most for part in parts)
            turns = [int(m.content) for part in parts for m in part.messages if m.role != "system"]
            assert turns == sorted(set(turns))
            for part in parts:
                assert (part.messages[0].role == "system") == (whole.messages[0].role == "system")
                assert part.messages[-1].role == "assistant"
                part.check()
        if len(parted(whole)[1]) and shorter(most)(whole):
            assert truncated(whole, shorter(most)) == split(whole, shorter(most))
