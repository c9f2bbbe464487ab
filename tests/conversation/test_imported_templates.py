"""An imported template writes the ids that transformers writes, in the imported tokenizer's own tokens only."""

import random

import pytest

from lm.conversation import ChatTemplate, MaskValidator, Message
from support.foreign import apply_chat_template, foreign_tokenizer, transformers_tokenizer
from support.published_templates import BEGINS, IMITATED, THINKING
from support.talks import PIECES, conversation_of, template_of, tokenizer_of

OURS = ("<|end_of_document|>", "<|padding|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end_of_turn|>")
WORDS = [
    "what",
    " does",
    " this",
    "\n\n",
    "?",
    " def f(x):\n    return x",
    " 42",
    "é",
    " 日本",
    " 🙂",
    "{}",
    " {{ x }}",
    "'",
]


def imported(option: str, **given) -> ChatTemplate:
    names = dict(zip(("bos_token", "eos_token"), BEGINS.get(option, ("<s>", "</s>")), strict=True))
    return ChatTemplate(option, source=(IMITATED | {"thinking": THINKING})[option], names=names, **given)


def drawn(draw: random.Random, words: list[str]):
    """Turns that every format can express, without white space at their ends, which moves token boundaries."""

    def text() -> str:
        return "".join(draw.choices(words, k=draw.randint(1, 8))).strip() or "x"

    turns = [("system", text())] if draw.random() < 0.3 else []
    for _ in range(draw.randint(1, 3)):
        turns += [("user", text()), ("assistant", text())]
    return conversation_of(*turns, place="c:1")


@pytest.mark.parametrize("option", IMITATED)
def test_ids_and_prompts_equal_those_of_transformers(option):
    compare(option, count=40)


@pytest.mark.slow
@pytest.mark.parametrize("option", IMITATED)
def test_ids_and_prompts_of_a_thousand_conversations_equal_those_of_transformers(option):
    compare(option, count=1000)


def compare(option: str, *, count: int) -> None:
    theirs = transformers_tokenizer(IMITATED[option], *BEGINS[option])
    template, tokenizer, draw = imported(option), foreign_tokenizer(), random.Random(option)
    validator = MaskValidator(template, tokenizer)
    for _ in range(count):
        conversation = drawn(draw, WORDS)
        encoded = template.encode(conversation, tokenizer)
        validator.check(encoded, conversation)
        assert encoded.tokens == apply_chat_template(theirs, conversation.messages)
        for number, message in enumerate(conversation.messages):
            if message.role == "assistant":
                prompt = template.prompt(conversation.messages[:number], tokenizer)
                expected = apply_chat_template(theirs, conversation.messages[:number], add_generation_prompt=True)
                assert prompt == expected == encoded.tokens[: len(prompt)]
                assert encoded.supervised[len(prompt) - 1 : len(prompt) + 1] == [False, True]


@pytest.mark.parametrize("option", [*IMITATED, "thinking"])
def test_no_id_beyond_the_imported_vocabulary_leaves_a_template(option):
    template, tokenizer, draw = imported(option), foreign_tokenizer(), random.Random(1)
    own = tokenizer.end_of_document  # the first id that lm added
    assert tokenizer.vocab_size == own + 6
    assert not {*OURS} & {*tokenizer.own_special_tokens}
    assert max(template.stop_tokens(tokenizer)) < own
    for _ in range(30):
        conversation = drawn(draw, [*PIECES, *OURS])
        for part in template.parts(conversation, tokenizer):
            assert max(template.encode(part, tokenizer).tokens) < own
            assert max(template.prompt(part.messages[:-1], tokenizer)) < own


def test_role_marks_of_plain_text_stay_text_unless_they_are_asked_for():
    tokenizer, turns = foreign_tokenizer(), [("user", "hi"), ("assistant", "yes")]
    encoded = imported("zephyr").encode(conversation_of(*turns), tokenizer)
    special = {number: name for name, number in tokenizer.special_tokens.items()}
    assert [special[token] for token in encoded.tokens if token in special] == ["</s>", "</s>"]
    asked = imported("zephyr", added_tokens=True)
    tokens = asked.encode(conversation_of(*turns), tokenizer).tokens
    assert [special[token] for token in tokens if token in special] == ["<|user|>", "</s>", "<|assistant|>", "</s>"]
    assert asked.describe()["added_tokens"] is True


def test_a_tokenizer_that_has_our_names_itself_keeps_them_as_its_own():
    tokenizer = foreign_tokenizer("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>")  # as Phi-3's
    assert {"<|user|>", "<|assistant|>"} <= {*tokenizer.own_special_tokens}
    assert "<|system|>" not in tokenizer.own_special_tokens
    encoded = imported("phi").encode(conversation_of(("user", "hi"), ("assistant", "yes")), tokenizer)
    assert tokenizer.special_tokens["<|user|>"] in encoded.tokens
    assert max(encoded.tokens) < tokenizer.end_of_document
    for name in ("ours", "marked", "spaced"):  # trained here, or without special tokens of its own
        assert tokenizer_of(name).own_special_tokens == tokenizer_of(name).special_tokens


def test_a_mask_with_a_token_that_the_template_may_not_write_is_refused():
    template, tokenizer = imported("zephyr"), foreign_tokenizer()
    conversation = conversation_of(("user", "hi"), ("assistant", "yes"), place="c:1")
    encoded = template.encode(conversation, tokenizer)
    encoded.tokens[0] = tokenizer.role_tokens["user"]
    with pytest.raises(ValueError, match=r"c:1: <\|user\|> is not a special token for the template: lm added it"):
        MaskValidator(template, tokenizer).check(encoded, conversation)
    encoded.tokens[0] = tokenizer.vocab_size
    with pytest.raises(ValueError, match=r"c:1: token \d+ is not in the vocabulary of"):
        MaskValidator(template, tokenizer).check(encoded, conversation)


def test_a_template_written_for_added_tokens_says_how_to_get_them():
    source = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end_of_turn|>{% endfor %}"
    tokenizer, turns = foreign_tokenizer(), conversation_of(("user", "hi"), ("assistant", "yes"))
    with pytest.raises(ValueError, match=r"would never stop.*template\.added_tokens=true"):
        ChatTemplate("t", source=source).encode(turns, tokenizer)
    with pytest.raises(ValueError, match=r"would never stop.*template\.added_tokens=true"):
        ChatTemplate("t", source=source).stop_tokens(tokenizer)
    template = ChatTemplate("t", source=source, added_tokens=True)
    assert template.stop_tokens(tokenizer)[0] == tokenizer.end_of_turn
    assert template.encode(turns, tokenizer).tokens[-1] == tokenizer.end_of_turn


@pytest.mark.parametrize("option", ["roles", "chatml", "llama2", "llama3", "mistral", "mistral_v3", "gemma", "alpaca"])
def test_a_named_template_writes_rows_that_a_model_of_the_tokenizer_has(option):
    """Named templates use the tokens that lm adds where the tokenizer lacks theirs; a model has a row for each."""
    tokenizer, template = foreign_tokenizer("<|endoftext|>"), template_of(option)
    conversation = conversation_of(("user", "hi"), ("assistant", "yes"))
    encoded = template.encode(conversation, tokenizer)
    assert max(encoded.tokens) < tokenizer.vocab_size
    assert template.stop_tokens(tokenizer) == [tokenizer.end_of_turn, tokenizer.end_of_document]
    MaskValidator(template, tokenizer).check(encoded, conversation)
    assert max(template.prompt([Message("user", "hi")], tokenizer)) < tokenizer.vocab_size
