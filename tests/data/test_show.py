"""Printed rows mark exactly the supervised tokens."""

import io
import re

import numpy as np
import pytest

from lm.conversation import Conversation, Message, RoleTokenTemplate
from lm.data import PackedRows, Row
from lm.data.conversations import EncodedConversations
from lm.data.packing import best_fit
from lm.data.show import RESET, SPECIAL, SUPERVISED, picture, show_rows
from lm.tokenizer import train_bpe
from support.talks import conversation_of, template_of


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(["what does this do? it returns what it is given\n"] * 4, vocab_size=280)


@pytest.fixture(scope="module")
def rows(tokenizer):
    encoded = EncodedConversations(template=RoleTokenTemplate(), tokenizer=tokenizer, context=40, too_long="drop")
    for number in range(12):
        turns = [Message("user", f"{number}?"), Message("assistant", f"it is {number} é🙂")]
        encoded.add(Conversation((Message("system", "be good"), *turns) if number == 0 else tuple(turns)))
    return PackedRows(encoded, best_fit(encoded.lengths, 40), padding=tokenizer.padding)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(rows, tokenizer, count: int, stream: io.StringIO) -> str:
    show_rows(rows, count, tokenizer, stream=stream)
    return stream.getvalue()


def test_without_a_terminal_answers_and_ends_of_turn_stand_in_brackets_and_nothing_is_coloured(rows, tokenizer):
    text = shown(rows, tokenizer, 99, io.StringIO())
    assert "\033" not in text
    assert sorted(re.findall(r"\[\[(.*?)\]\]", text)) == sorted(f"it is {n} é🙂<end_of_turn>" for n in range(12))
    turns = [
        "<document><system>be good<end_of_turn>",
        "<user>0?<end_of_turn>",
        "<assistant>[[it is 0 é🙂<end_of_turn>]]",
    ]
    assert "\n".join(turns) in text
    assert text.count("<document>") == 12
    empty = [int((rows.row(index).documents < 0).sum()) for index in range(len(rows))]
    assert re.findall(r"^<padding> × (\d+)$", text, re.MULTILINE) == [str(count) for count in empty if count]
    assert sum(empty) > 0


def test_a_terminal_with_no_color_gets_brackets_too(rows, tokenizer, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(rows, tokenizer, 99, Terminal()) == shown(rows, tokenizer, 99, io.StringIO())


def test_a_terminal_gets_answers_in_colour_and_special_tokens_reversed(rows, tokenizer):
    text = shown(rows, tokenizer, 99, Terminal())
    assert "[[" not in text
    coloured = re.findall(re.escape(SUPERVISED) + "(.*?)" + re.escape(RESET), text)
    stop = f"{SPECIAL}<end_of_turn>"
    assert sorted(coloured) == sorted([*(f"it is {n} é🙂" for n in range(12)), *[stop] * 12])
    assert text.count(f"{SPECIAL}<end_of_turn>{RESET}") == 25, "13 of them ends of turn that are not learned"


def test_rows_are_evenly_spaced_from_first_to_last_and_say_how_full_they_are(rows, tokenizer):
    heads = re.findall(
        r"row (\d+) of (\d+): (\d+) of 40 positions filled, (\d+) targets supervised",
        shown(rows, tokenizer, 2, io.StringIO()),
    )
    assert [int(head[0]) for head in heads] == [0, len(rows) - 1]
    for index, total, filled, supervised in np.array(heads, dtype=int):
        row = rows.row(index)
        assert total == len(rows)
        assert filled == (row.documents >= 0).sum()
        assert supervised == row.supervised.sum()


def test_a_row_of_one_document_is_shown_whole(tokenizer):
    ids = [tokenizer.end_of_document, *tokenizer.encode("what does it do"), tokenizer.end_of_document]
    row = Row(np.array(ids[:-1]), np.array(ids[1:]), np.ones(len(ids) - 1, dtype=bool))
    assert picture(row, tokenizer, colours=False) == "<document>[[what does it do<document>]]"


def test_turns_of_other_templates_stand_on_lines_of_their_own(tokenizer):
    encoded = EncodedConversations(template=template_of("chatml"), tokenizer=tokenizer, context=60, too_long="drop")
    encoded.add(conversation_of(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), place="x:1"))
    row = PackedRows(encoded, best_fit(encoded.lengths, 60), padding=tokenizer.padding).row(0)
    assert picture(row, tokenizer, colours=False).splitlines()[:8] == [
        "<user>user", "a<end_of_turn>", "<assistant>assistant", "[[b<end_of_turn>]]",
        "<user>user", "c<end_of_turn>", "<assistant>assistant", "[[d<end_of_turn>]]",
    ]  # fmt: skip
