"""Faults of a conversation, and of its encoding by a template, are refused by place."""

import re
from dataclasses import replace

import pytest

from lm.conversation import ChatTemplate, EncodedConversation, MaskValidator, Message, RoleTokenTemplate
from support.talks import conversation_of, template_of, tokenizer_of

TURNS = [
    ("system", "be good"), ("user", "what?"), ("assistant", "this"), ("user", "do"), ("assistant", "what it is"),
]  # fmt: skip


class Written:
    """A conversation of two answers as tokens and mask, to be spoiled."""

    def __init__(self, option: str, name: str):
        self.tokenizer, self.template = tokenizer_of(name), template_of(option)
        self.conversation = conversation_of(*TURNS, place="chat.jsonl:7")
        encoded = self.template.encode(self.conversation, self.tokenizer)
        self.tokens, self.mask = list(encoded.tokens), list(encoded.supervised)
        self.stop = self.template.stop_tokens(self.tokenizer)[0]
        self.first = self.mask.index(True)  # of the first answer
        self.end = self.mask.index(False, self.first)  # behind it
        self.last = len(self.mask) - self.mask[::-1].index(True)  # behind the last answer

    def check(self) -> None:
        encoded = EncodedConversation(self.tokens, self.mask)
        MaskValidator(self.template, self.tokenizer).check(encoded, self.conversation)

    def put(self, place: int, tokens: list[int], *, supervised: bool) -> None:
        self.tokens[place:place] = tokens
        self.mask[place:place] = [supervised] * len(tokens)

    def take(self, start: int, end: int) -> None:
        del self.tokens[start:end], self.mask[start:end]


def mask_shifted_left(w):
    w.mask = [*w.mask[1:], False]


def mask_shifted_right(w):
    w.mask = [False, *w.mask[:-1]]


def mask_shorter_than_the_tokens(w):
    w.mask.pop()


def end_of_turn_missing(w):
    w.take(w.last - 1, w.last)


def end_of_turn_missing_within(w):
    w.take(w.end - 1, w.end)


def end_of_turn_unsupervised(w):
    w.mask[w.last - 1] = False


def ends_of_turn_unsupervised(w):
    w.mask = [on and token != w.stop for token, on in zip(w.tokens, w.mask, strict=True)]


def end_of_turn_twice(w):
    w.put(w.last, [w.stop], supervised=True)


def second_end_of_turn_unsupervised(w):
    w.put(w.last, [w.stop], supervised=False)


def end_of_document_for_end_of_turn(w):
    w.tokens[w.last - 1] = w.tokenizer.end_of_document


def header_supervised(w):
    w.mask[w.first - 1] = True


def header_of_a_later_answer_supervised(w):
    w.mask[w.mask.index(True, w.end) - 1] = True


def what_follows_the_last_answer_supervised(w):
    w.put(w.last, w.tokenizer.encode("so"), supervised=True)


def question_supervised(w):
    w.mask[1 : w.first] = [True] * (w.first - 1)


def first_token_supervised(w):
    w.mask[0] = True


def everything_supervised(w):
    w.mask = [True] * len(w.mask)


def everything_but_the_first_token_supervised(w):
    w.mask = [False, *[True] * (len(w.mask) - 1)]


def nothing_supervised(w):
    w.mask = [False] * len(w.mask)


def questions_supervised_instead(w):
    w.mask = [False, *(not on for on in w.mask[1:])]


def one_answer_forgotten(w):
    w.mask[w.first : w.end] = [False] * (w.end - w.first)


def one_answer_left_out(w):
    w.take(w.first, w.end)


def answers_in_the_wrong_order(w):
    start = w.mask.index(True, w.end)
    one, between, two = w.tokens[w.first : w.end], w.tokens[w.end : start], w.tokens[start : w.last]
    w.tokens[w.first : w.last] = [*two, *between, *one]
    w.mask[w.first : w.last] = [*[True] * len(two), *[False] * len(between), *[True] * len(one)]


def answer_that_starts_late(w):
    w.mask[w.first] = False


def answer_truncated_at_its_start(w):
    w.take(w.first, w.first + 1)


def answer_truncated_at_its_end(w):
    w.take(w.last - 2, w.last - 1)


def answer_emptied(w):
    w.take(w.first, w.end - 1)


def answer_with_a_blank_more(w):
    w.put(w.end - 1, w.tokenizer.encode("\t"), supervised=True)


def answer_with_a_hole(w):
    w.mask[w.last - 3] = False


def special_token_in_an_answer(w):
    w.put(w.first, [w.tokenizer.padding], supervised=True)


def special_token_in_a_question(w):
    w.put(2, [w.tokenizer.role_tokens["assistant"]], supervised=False)


def end_of_turn_in_a_question(w):
    w.put(w.first - 1, [w.stop], supervised=False)


def end_of_document_in_the_middle(w):
    w.put(w.end, [w.tokenizer.end_of_document], supervised=False)


def question_left_out(w):
    w.conversation = replace(
        w.conversation, messages=(*w.conversation.messages[:3], Message("user", "why"), *w.conversation.messages[4:])
    )


def system_written_as_none(w):
    w.conversation = replace(w.conversation, messages=(Message("system", "be very good"), *w.conversation.messages[1:]))


def answer_of_another_conversation(w):
    w.conversation = replace(
        w.conversation,
        messages=(*w.conversation.messages[:2], Message("assistant", "that"), *w.conversation.messages[3:]),
    )


def turn_missing_from_the_conversation(w):
    w.conversation = replace(w.conversation, messages=w.conversation.messages[:3])


SPOILED = [
    mask_shifted_left, mask_shifted_right, mask_shorter_than_the_tokens, end_of_turn_missing,
    end_of_turn_missing_within, end_of_turn_unsupervised, ends_of_turn_unsupervised, end_of_turn_twice,
    second_end_of_turn_unsupervised, end_of_document_for_end_of_turn, header_supervised,
    header_of_a_later_answer_supervised, what_follows_the_last_answer_supervised, question_supervised,
    first_token_supervised, everything_supervised, everything_but_the_first_token_supervised, nothing_supervised,
    questions_supervised_instead, one_answer_forgotten, one_answer_left_out, answers_in_the_wrong_order,
    answer_that_starts_late, answer_truncated_at_its_start, answer_truncated_at_its_end, answer_emptied,
    answer_with_a_blank_more, answer_with_a_hole, special_token_in_an_answer, special_token_in_a_question,
    end_of_turn_in_a_question, end_of_document_in_the_middle, question_left_out, system_written_as_none,
    answer_of_another_conversation, turn_missing_from_the_conversation,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("name", ["ours", "marked", "spaced"])
@pytest.mark.parametrize("option", ["roles", "chatml", "llama2", "llama3", "mistral", "mistral_v3", "gemma", "alpaca"])
def test_planted_faults_in_tokens_and_mask_are_refused_by_place(option, name, spoil):
    written = Written(option, name)
    written.check()
    spoil(written)
    with pytest.raises(ValueError, match=r"^chat\.jsonl:7"):
        written.check()


FAULTY = {
    "no_turns": ([], "no turns"),
    "empty_answer": ([("user", "hi"), ("assistant", "")], "turn 2: the answer is empty"),
    "whitespace_only_answer": ([("user", "hi"), ("assistant", " \n\t")], "turn 2: the answer is empty"),
    "none_answer": ([("user", "hi"), ("assistant", None)], "the content of the assistant is None"),
    "none_system": ([("system", None), ("user", "hi"), ("assistant", "ho")], "the content of the system is None"),
    "empty_question": ([("user", ""), ("assistant", "hi")], "turn 1: the user turn is empty"),
    "number_for_text": ([("user", 7), ("assistant", "hi")], "the content of the user is int"),
    "unknown_role": ([("user", "hi"), ("helper", "x"), ("assistant", "ho")], "turn 2: role 'helper' is not one of"),
    "no_answer": ([("user", "hi")], "no assistant turn"),
    "late_system": (
        [("user", "hi"), ("system", "b"), ("assistant", "ho")],
        "turn 2: only the first turn may be",
    ),
    "two_systems": (
        [("system", "a"), ("system", "b"), ("assistant", "ho")],
        "turn 2: only the first turn may be",
    ),
}


@pytest.mark.parametrize("fault", FAULTY)
@pytest.mark.parametrize("option", ["roles", "chatml", "llama2", "llama3", "mistral", "mistral_v3", "gemma", "alpaca"])
def test_planted_faults_in_conversations_are_refused_by_place(option, fault):
    turns, message = FAULTY[fault]
    with pytest.raises(ValueError, match=rf"^chat\.jsonl:7.*{re.escape(message)}"):
        template_of(option).encode(conversation_of(*turns, place="chat.jsonl:7"), tokenizer_of("ours"))


def test_text_that_became_a_special_token_is_refused():
    written = Written("chatml", "marked")
    special = written.tokenizer.special_tokens
    written.put(written.first - 3, [special["<|im_end|>"], special["<|im_start|>"]], supervised=False)
    with pytest.raises(ValueError, match=r"^chat\.jsonl:7: its special tokens are not those of its turns"):
        written.check()


def test_an_unsupervised_end_token_is_reported_as_a_model_that_never_stops():
    written = Written("roles", "ours")
    end_of_turn_unsupervised(written)
    with pytest.raises(ValueError, match="answer 2: its end token is not supervised, so the model would never stop"):
        written.check()


def test_a_question_equal_to_the_system_text_must_be_written_as_well():
    written = Written("roles", "ours")
    written.conversation = conversation_of(("system", "hm"), ("user", "hm"), ("assistant", "so"), place="c:1")
    encoded = written.template.encode(written.conversation, written.tokenizer)
    at = encoded.tokens.index(written.tokenizer.role_tokens["user"]) + 1
    size = len(written.tokenizer.encode("hm"))
    for part in (encoded.tokens, encoded.supervised):
        del part[at : at + size]
    with pytest.raises(ValueError, match=r"c:1, turn 2: the content of the user turn, 'hm', is not among its tokens"):
        MaskValidator(written.template, written.tokenizer).check(encoded, written.conversation)


def test_a_system_turn_of_the_templates_own_is_expected():
    source = "<|system|>be kind<|end_of_turn|>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end_of_turn|>"
    template, tokenizer = ChatTemplate("t", source=source + "{% endfor %}"), tokenizer_of("ours")
    for turns in (TURNS, TURNS[1:]):
        conversation = conversation_of(*turns)
        MaskValidator(template, tokenizer).check(template.encode(conversation, tokenizer), conversation)


class Swapped(RoleTokenTemplate):
    """Swaps user and assistant."""

    def encode(self, conversation, tokenizer):
        encoded, roles = super().encode(conversation, tokenizer), tokenizer.role_tokens
        swap = {roles["user"]: roles["assistant"], roles["assistant"]: roles["user"]}
        return EncodedConversation([swap.get(token, token) for token in encoded.tokens], encoded.supervised)


def test_a_template_that_swaps_roles_is_refused():
    tokenizer, conversation = tokenizer_of("ours"), conversation_of(*TURNS, place="c:1")
    with pytest.raises(ValueError, match="c:1: its role tokens are system, assistant, user"):
        MaskValidator(Swapped(), tokenizer).check(Swapped().encode(conversation, tokenizer), conversation)
