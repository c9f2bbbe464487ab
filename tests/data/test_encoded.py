"""Conversations are kept as the template wrote them, and what does not fit is refused by place or counted."""

import random

import numpy as np
import pytest

from lm.conversation import Conversation, Encoded, Message, RoleTokens
from lm.data.encoded import EncodedConversations
from lm.tokenizer import train_bpe

WORDS = ["what", " does", " this", " do", "?", " é", "日本", "\n", "<|user|>", " it", " returns"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(["what does this do? it returns what it is given\n"] * 4, vocab_size=280)


def talk(*said: str, place: str = "chat.jsonl:7") -> Conversation:
    """User and assistant in turn."""
    turns = tuple(Message(("user", "assistant")[number % 2], content) for number, content in enumerate(said))
    return Conversation(turns, task="talk", place=place)


def random_talks(count: int = 60) -> list[Conversation]:
    draw = random.Random(0)
    return [
        talk(*("".join(draw.choices(WORDS, k=draw.randint(1, 9))) + "." for _ in range(2 * draw.randint(1, 3))))
        for _ in range(count)
    ]


def kept(tokenizer, conversations, *, context: int, too_long: str = "drop") -> EncodedConversations:
    made = EncodedConversations(template=RoleTokens(), tokenizer=tokenizer, context=context, too_long=too_long)
    for conversation in conversations:
        made.add(conversation)
    return made


def written(tokenizer, conversation) -> Encoded:
    return RoleTokens().encode(conversation, tokenizer)


def test_what_is_added_is_read_back_as_the_template_wrote_it(tokenizer):
    talks = random_talks()
    made = kept(tokenizer, talks, context=1000)
    assert len(made) == len(talks) == len(made.tasks)
    for number, conversation in enumerate(talks):
        tokens, supervised = made.read(number)
        wanted = written(tokenizer, conversation)
        assert tokens.dtype == np.int64
        assert supervised.dtype == bool
        assert (tokens.tolist(), supervised.tolist()) == (wanted.tokens, wanted.supervised)
        assert made.lengths[number] == len(wanted.tokens) - 1
        assert made.answered[number] == sum(wanted.supervised)
    assert made.losses() == ""


def test_nothing_added_has_no_lengths(tokenizer):
    made = kept(tokenizer, [], context=8)
    assert len(made) == made.lengths.size == made.answered.size == 0


@pytest.mark.parametrize("too_long", ["refuse", "drop", "cut"])
def test_a_conversation_of_exactly_the_context_stays_whole(tokenizer, too_long):
    conversation = talk("what does this do?", "it returns what it is given")
    targets = len(written(tokenizer, conversation).tokens) - 1
    made = kept(tokenizer, [conversation], context=targets, too_long=too_long)
    assert made.lengths.tolist() == [targets]
    assert made.losses() == ""


def test_a_conversation_too_long_is_refused_by_place_with_the_ways_out(tokenizer):
    conversation = talk("what does this do?", "it returns what it is given")
    targets = len(written(tokenizer, conversation).tokens) - 1
    with pytest.raises(ValueError, match=rf"chat\.jsonl:7 has {targets} tokens to predict.*context of {targets - 1}:"):
        kept(tokenizer, [conversation], context=targets - 1, too_long="refuse")
    with pytest.raises(ValueError, match=r"data\.too_long=drop .* data\.too_long=cut"):
        kept(tokenizer, [conversation], context=targets - 1, too_long="refuse")


def test_conversations_too_long_are_dropped_and_counted(tokenizer):
    talks = random_talks()
    context = int(np.median(kept(tokenizer, talks, context=1000).lengths))
    made = kept(tokenizer, talks, context=context, too_long="drop")
    encoded = [written(tokenizer, conversation) for conversation in talks]
    fit = [one for one in encoded if len(one.tokens) - 1 <= context]
    assert 0 < len(fit) < len(talks)
    assert [made.read(number)[0].tolist() for number in range(len(made))] == [one.tokens for one in fit]
    lost = sum(sum(one.supervised) for one in encoded) - sum(sum(one.supervised) for one in fit)
    assert made.losses() == (
        f"{len(talks) - len(fit)} longer than {context} tokens left out ({lost} supervised tokens)"
    )


def test_conversations_too_long_are_cut_at_their_end_and_counted(tokenizer):
    talks = random_talks()
    context = int(np.median(kept(tokenizer, talks, context=1000).lengths))
    made = kept(tokenizer, talks, context=context, too_long="cut")
    encoded = [written(tokenizer, conversation) for conversation in talks]
    cut = [(one.tokens[: context + 1], one.supervised[: context + 1]) for one in encoded]
    answered = [(tokens, supervised) for tokens, supervised in cut if any(supervised)]
    assert [tuple(part.tolist() for part in made.read(number)) for number in range(len(made))] == answered
    assert made.dropped == len(cut) - len(answered)
    assert made.cut == sum(len(one.tokens) > context + 1 for one in encoded) - made.dropped > 0
    assert made.lost == sum(sum(one.supervised) for one in encoded) - sum(sum(part[1]) for part in answered)
    assert f"{made.cut} longer than {context} tokens cut" in made.losses()


def test_a_cut_that_would_leave_no_word_of_an_answer_drops_the_conversation(tokenizer):
    conversation = talk("what does this do? " * 9, "it")
    before = len(RoleTokens().prompt(conversation.messages[:1], tokenizer))
    assert len(kept(tokenizer, [conversation], context=before, too_long="cut")) == 1
    made = kept(tokenizer, [conversation], context=before - 1, too_long="cut")
    assert (len(made), made.dropped, made.cut) == (0, 1, 0)
    assert made.losses().startswith(f"1 longer than {before - 1} tokens left out (")


class Everything(RoleTokens):
    """Learns the questions as well."""

    def encode(self, conversation, tokenizer):
        encoded = super().encode(conversation, tokenizer)
        return Encoded(encoded.tokens, [False, *[True] * (len(encoded.tokens) - 1)])


def test_a_template_that_supervises_more_than_the_answers_is_refused_by_place(tokenizer):
    made = EncodedConversations(template=Everything(), tokenizer=tokenizer, context=99, too_long="drop")
    with pytest.raises(ValueError, match=r"chat\.jsonl:7.*1 supervised runs for 2 answers"):
        made.add(talk("what", "it", "what", "it"))
    assert len(made) == 0
