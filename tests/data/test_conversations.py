"""Conversations are kept as the template wrote them, and what does not fit is refused by place or counted."""

import random
from dataclasses import replace

import numpy as np
import pytest

from lm.conversation import ChatTemplate, Conversation, EncodedConversation, Message, RoleTokenTemplate
from lm.data.conversations import EncodedConversations
from lm.data.too_long import split, truncate
from lm.tokenizer import train_bpe
from support.published_templates import THINKING
from support.talks import OPTIONS, conversation_of, template_of, tokenizer_of

WORDS = ["what", " does", " this", " do", "?", " é", "日本", "\n", "<|user|>", " it", " returns"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(["what does this do? it returns what it is given\n"] * 4, vocab_size=280)


def talk(*said: str, place: str = "chat.jsonl:7") -> Conversation:
    """User and assistant in turn."""
    turns = tuple(Message(("user", "assistant")[number % 2], content) for number, content in enumerate(said))
    return Conversation(turns, task="talk", place=place)


def random_talks(count: int = 60, turns: int = 3) -> list[Conversation]:
    draw = random.Random(0)
    return [
        talk(*("".join(draw.choices(WORDS, k=draw.randint(1, 9))) + "." for _ in range(2 * draw.randint(1, turns))))
        for _ in range(count)
    ]


def kept(tokenizer, conversations, *, context: int, too_long: str = "drop") -> EncodedConversations:
    made = EncodedConversations(template=RoleTokenTemplate(), tokenizer=tokenizer, context=context, too_long=too_long)
    for conversation in conversations:
        made.add(conversation)
    return made


def read(made: EncodedConversations, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of a conversation, and which of them are supervised; the first is nobody's target."""
    tokens, supervised = made.read(number, 0, int(made.lengths[number]))
    return tokens, np.concatenate([[False], supervised])


def written(tokenizer, conversation) -> EncodedConversation:
    return RoleTokenTemplate().encode(conversation, tokenizer)


def test_conversations_are_read_back_as_the_template_wrote_them(tokenizer):
    talks = random_talks()
    made = kept(tokenizer, talks, context=1000)
    assert len(made) == len(talks) == len(made.tasks)
    for number, conversation in enumerate(talks):
        tokens, supervised = read(made, number)
        wanted = written(tokenizer, conversation)
        assert tokens.dtype == np.int64
        assert supervised.dtype == bool
        assert (tokens.tolist(), supervised.tolist()) == (wanted.tokens, wanted.supervised)
        assert made.lengths[number] == len(wanted.tokens) - 1
        assert made.supervised_targets[number] == sum(wanted.supervised)
    assert made.describe_shortened() == ""


@pytest.mark.parametrize("too_long", ["drop", "split", "truncate"])
def test_answers_that_a_template_writes_otherwise_later_become_rows_of_their_own_and_are_counted(too_long):
    template, tokenizer = ChatTemplate("t", source=THINKING), tokenizer_of("marked")
    made = EncodedConversations(template=template, tokenizer=tokenizer, context=400, too_long=too_long)
    conversation = talk("One", "Two", "Three", "Four")
    made.add(conversation)
    made.add(talk("Five", "Six"))
    assert made.places == ["chat.jsonl:7"] * 3
    assert made.describe_rewritten() == (
        "1 written as 2, since the template writes an answer otherwise once turns follow it"
    )
    for number, said in enumerate((["One"], ["One", "Two", "Three"])):
        tokens, supervised = read(made, number)
        prompt = template.prompt(talk(*said).messages, tokenizer)
        assert tokens[: len(prompt)].tolist() == prompt
        assert supervised.tolist() == [False] * len(prompt) + [True] * (len(tokens) - len(prompt) - 1) + [False]
    assert kept(tokenizer, [conversation], context=400).describe_rewritten() == ""


@pytest.mark.parametrize("option", OPTIONS)
def test_an_answer_marked_as_not_to_be_learned_is_context_and_the_tokens_stay(option):
    tokenizer, template = tokenizer_of("marked"), template_of(option)
    turns = [("user", "a?"), ("assistant", "wrong"), ("user", "no"), ("assistant", "it is")]
    learned = conversation_of(*turns)
    masked = replace(
        learned, messages=(learned.messages[0], replace(learned.messages[1], supervised=False), *learned.messages[2:])
    )
    made = EncodedConversations(template=template, tokenizer=tokenizer, context=500, too_long="refuse")
    made.add(masked)
    wanted = template.encode(learned, tokenizer)
    tokens, supervised = read(made, 0)
    assert tokens.tolist() == wanted.tokens
    first = wanted.supervised.index(True)
    end = first + wanted.supervised[first:].index(False)
    assert supervised.tolist() == [False] * end + wanted.supervised[end:]
    assert "it is" in tokenizer.decode(tokens[np.flatnonzero(supervised)].tolist())


@pytest.mark.parametrize("system", ["be brief", None])
def test_tools_stand_in_the_system_turn_of_templates_that_do_not_take_them(tokenizer, system):
    function = {"name": "add", "description": "é", "parameters": {"type": "object"}}
    opening = [("system", system)] if system else []
    talk = conversation_of(*opening, ("user", "1?"), ("assistant", "1"))
    made = kept(tokenizer, [replace(talk, tools=({"type": "function", "function": function},))], context=1000)
    text = tokenizer.decode(read(made, 0)[0].tolist())
    line = '{"name": "add", "description": "é", "parameters": {"type": "object"}}'
    assert (f"be brief\n\nTools:\n{line}" if system else f"Tools:\n{line}") in text
    assert made.supervised_targets[0] == sum(written(tokenizer, talk).supervised)


def test_nothing_added_has_no_lengths(tokenizer):
    made = kept(tokenizer, [], context=8)
    assert len(made) == made.lengths.size == made.supervised_targets.size == 0


@pytest.mark.parametrize("too_long", ["refuse", "drop", "split", "truncate"])
def test_a_conversation_of_exactly_the_context_stays_whole(tokenizer, too_long):
    conversation = talk("what does this do?", "it returns what it is given")
    targets = len(written(tokenizer, conversation).tokens) - 1
    made = kept(tokenizer, [conversation], context=targets, too_long=too_long)
    assert made.lengths.tolist() == [targets]
    assert made.describe_shortened() == ""


def test_a_conversation_too_long_is_refused_by_place_with_the_remedies(tokenizer):
    conversation = talk("what does this do?", "it returns what it is given")
    targets = len(written(tokenizer, conversation).tokens) - 1
    with pytest.raises(ValueError, match=rf"chat\.jsonl:7 has {targets} targets.*context of {targets - 1};"):
        kept(tokenizer, [conversation], context=targets - 1, too_long="refuse")
    with pytest.raises(ValueError, match=r"^data\.too_long=refuse: .*set data\.too_long=drop, split or truncate"):
        kept(tokenizer, [conversation], context=targets - 1, too_long="refuse")


def test_conversations_too_long_are_dropped_and_counted(tokenizer):
    talks = random_talks()
    context = int(np.median(kept(tokenizer, talks, context=1000).lengths))
    made = kept(tokenizer, talks, context=context, too_long="drop")
    encoded = [written(tokenizer, conversation) for conversation in talks]
    fit = [one for one in encoded if len(one.tokens) - 1 <= context]
    assert 0 < len(fit) < len(talks)
    assert [read(made, number)[0].tolist() for number in range(len(made))] == [one.tokens for one in fit]
    lost = sum(sum(one.supervised) for one in encoded) - sum(sum(one.supervised) for one in fit)
    assert made.describe_shortened() == (
        f"{len(talks) - len(fit)} longer than {context} tokens dropped ({lost} supervised tokens lost)"
    )
    assert made.count_shortened() == {
        "dropped": len(talks) - len(fit), "split": 0, "parts": 0, "truncated": 0, "turns": 0, "supervised_tokens": lost,
    }  # fmt: skip


@pytest.mark.parametrize("too_long", ["split", "truncate"])
@pytest.mark.parametrize("option", ["roles", "llama2", "chatml"])
def test_shortened_conversations_keep_whole_turns_and_lost_turns_and_targets_are_counted(option, too_long):
    tokenizer, template = tokenizer_of("ours"), template_of(option)
    talks = [
        replace(one, messages=(Message("system", "be good"), *one.messages)) if number % 2 else one
        for number, one in enumerate(random_talks(turns=6))
    ]
    context = int(np.median([len(template.encode(one, tokenizer).tokens) for one in talks]))
    made = EncodedConversations(template=template, tokenizer=tokenizer, context=context, too_long=too_long)
    for one in talks:
        made.add(one)
    assert made.lengths.max() <= context
    shorten = {"split": split, "truncate": truncate}[too_long]
    wanted, lost, turns = [], 0, 0
    for one in talks:
        whole = template.encode(one, tokenizer)
        fits = [one]
        if len(whole.tokens) > context + 1:
            fits = shorten(one, lambda part: len(template.encode(part, tokenizer).tokens) <= context + 1)
        parts = [template.encode(part, tokenizer) for part in fits]
        wanted += [(part.tokens, part.supervised) for part in parts]
        lost += sum(whole.supervised) - sum(sum(part.supervised) for part in parts)
        if fits:
            said = [message for part in fits for message in part.messages if message.role != "system"]
            turns += sum(message.role != "system" for message in one.messages) - len(said)
    assert [tuple(part.tolist() for part in read(made, number)) for number in range(len(made))] == wanted
    counts = made.count_shortened()
    assert (counts["supervised_tokens"], counts["turns"]) == (lost, turns)
    shortened = sum(len(template.encode(one, tokenizer).tokens) > context + 1 for one in talks)
    assert counts["dropped"] + counts["split"] + counts["truncated"] == shortened > 10
    output = f"split into {counts['parts']}" if too_long == "split" else "truncated"
    assert f"{counts['split'] + counts['truncated']} longer than {context} tokens {output}" in made.describe_shortened()
    assert f"({lost} supervised tokens lost)" in made.describe_shortened()


class Shrinking(RoleTokenTemplate):
    """Learns nothing where there are few turns."""

    def encode(self, conversation, tokenizer):
        encoded = super().encode(conversation, tokenizer)
        return (
            encoded
            if len(conversation.messages) > 3
            else EncodedConversation(encoded.tokens, [False] * len(encoded.tokens))
        )


@pytest.mark.parametrize("too_long", ["split", "truncate"])
def test_a_shortened_conversation_is_validated_too(tokenizer, too_long):
    conversation = talk("what", "it", "what", "it" * 9)
    context = len(written(tokenizer, conversation).tokens) - 2
    made = EncodedConversations(template=Shrinking(), tokenizer=tokenizer, context=context, too_long=too_long)
    with pytest.raises(ValueError, match=r"chat\.jsonl:7: 0 supervised runs for 1 answers"):
        made.add(conversation)


class Everything(RoleTokenTemplate):
    """Learns the questions as well."""

    def encode(self, conversation, tokenizer):
        encoded = super().encode(conversation, tokenizer)
        return EncodedConversation(encoded.tokens, [False, *[True] * (len(encoded.tokens) - 1)])


def test_a_template_that_supervises_more_than_the_answers_is_refused_by_place(tokenizer):
    made = EncodedConversations(template=Everything(), tokenizer=tokenizer, context=99, too_long="drop")
    with pytest.raises(ValueError, match=r"chat\.jsonl:7.*1 supervised runs for 2 answers"):
        made.add(talk("what", "it", "what", "it"))
    assert len(made) == 0
