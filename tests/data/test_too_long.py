"""Conversations too long are split between exchanges only, and each part keeps its system turn."""

import random
from dataclasses import replace

import pytest

from lm.conversation import Conversation, Message
from lm.data.too_long import split, split_exchanges, truncate


def said(letters: str) -> Conversation:
    """s system, u user, a assistant, t tool; what each says is its place."""
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    messages = (Message(roles[letter], f"{place}") for place, letter in enumerate(letters))
    return Conversation(tuple(messages), task="talk", group="g", place="chat.jsonl:7")


def letters(conversation: Conversation) -> str:
    return "".join(message.role[0] for message in conversation.messages)


def shorter(limit: int):
    return lambda conversation: len(conversation.messages) <= limit


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
    found, rest = split_exchanges(said(whole))
    assert "".join(message.role[0] for message in found) == system
    assert ["".join(message.role[0] for message in exchange) for exchange in rest] == exchanges


@pytest.mark.parametrize(
    ("whole", "limit", "left"),
    [
        ("suauaua", 5, "suaua"),
        ("suauaua", 4, "sua"),
        ("suauaua", 2, None),
        ("uauauatau", 5, "uata"),
        ("uauau", 4, "uaua"),
        ("aua", 2, "ua"),
    ],
)
def test_truncation_leaves_the_last_exchanges_that_fit(whole, limit, left):
    found = truncate(said(whole), shorter(limit))
    assert [letters(one) for one in found] == ([] if left is None else [left])
    for one in found:
        assert one.messages[-1] == next(m for m in reversed(said(whole).messages) if m.role == "assistant")
        assert (one.task, one.group, one.place) == ("talk", "g", "chat.jsonl:7")


@pytest.mark.parametrize(
    ("whole", "limit", "parts"),
    [
        ("suauaua", 5, ["suaua", "sua"]),
        ("suauaua", 3, ["sua", "sua", "sua"]),
        ("uauataua", 3, ["ua", "ua"]),
        ("uatauaua", 4, ["uata", "uaua"]),
        ("uata", 3, []),
    ],
)
def test_parts_are_consecutive_exchanges_and_one_that_does_not_fit_alone_is_dropped(whole, limit, parts):
    assert [letters(one) for one in split(said(whole), shorter(limit))] == parts


def test_no_turn_is_repeated_or_moved_and_every_part_fits():
    draw = random.Random(0)
    for _ in range(300):
        whole, limit = said(random_letters(draw)), draw.randint(1, 9)
        for shorten in (split, truncate):
            parts = shorten(whole, shorter(limit))
            assert all(len(part.messages) <= limit for part in parts)
            turns = [int(m.content) for part in parts for m in part.messages if m.role != "system"]
            assert turns == sorted(set(turns))
            for part in parts:
                assert (part.messages[0].role == "system") == (whole.messages[0].role == "system")
                assert part.messages[-1].role == "assistant"
                part.check()
        if len(split_exchanges(whole)[1]) and shorter(limit)(whole):
            assert truncate(whole, shorter(limit)) == split(whole, shorter(limit))


def test_what_is_not_learned_is_no_reason_to_keep_a_part():
    def masked(text: str, *places: int) -> Conversation:
        given = said(text)
        turns = [replace(turn, supervised=place not in places) for place, turn in enumerate(given.messages)]
        return replace(given, messages=tuple(turns))

    assert [letters(part) for part in split(masked("uauaua", 3), shorter(2))] == ["ua", "ua"]
    assert [letters(part) for part in truncate(masked("uauaua", 5), shorter(4))] == ["uaua"]
    assert split(masked("ua", 1), shorter(2)) == []
