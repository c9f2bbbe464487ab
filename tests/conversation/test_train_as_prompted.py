"""Each answer is learned after what chat prompts with, and as a template writes it when it is the last turn."""

import random

import pytest

from lm.conversation import ChatTemplate, Conversation, MaskValidator, Message
from support.foreign import apply_chat_template, transformers_tokenizer
from support.published_templates import OPENING_THOUGHTS, PUBLISHED, THINKING
from support.talks import conversation_of, template_of, text_of, tokenizer_of

NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
TALK = [("user", "One"), ("assistant", "Two"), ("user", "Three"), ("assistant", "Four")]
CHATML = PUBLISHED["chatml"]
FORGETS = CHATML.replace("in messages -%}", "in messages[-2:] -%}")
STRIPS = CHATML.replace("message.content", "message.content.split('</think>')[-1]")


def template_from(source: str, **given) -> ChatTemplate:
    return ChatTemplate("t", source=source, names=NAMES, **given)


def learned(template: ChatTemplate, conversation) -> list[tuple[str, str]]:
    """(prompt, answer) of each supervised run in the parts, checked against what chat prompts with."""
    tokenizer, pairs = tokenizer_of("marked"), []
    for part in template.parts(conversation, tokenizer):
        encoded = template.encode(part, tokenizer)
        MaskValidator(template, tokenizer).check(encoded, part)
        for number, message in enumerate(part.messages):
            if message.learned:
                prompt = template.prompt(part.messages[:number], tokenizer)
                assert encoded.tokens[: len(prompt)] == prompt
                assert not encoded.supervised[len(prompt) - 1]
                end = (
                    encoded.supervised.index(False, len(prompt)) if False in encoded.supervised[len(prompt) :] else None
                )
                assert all(encoded.supervised[len(prompt) : end])
                pairs.append((text_of(prompt, tokenizer), text_of(encoded.tokens[len(prompt) : end], tokenizer)))
    return pairs


def test_an_answer_that_is_written_otherwise_once_turns_follow_gets_a_part_of_its_own():
    template = template_from(THINKING)
    question = "<|im_start|>user\nOne<|im_end|>\n<|im_start|>assistant\n"
    assert learned(template, conversation_of(*TALK)) == [
        (question, "<think>\n\n</think>\n\nTwo<|im_end|>"),
        (
            f"{question}Two<|im_end|>\n<|im_start|>user\nThree<|im_end|>\n<|im_start|>assistant\n",
            "<think>\n\n</think>\n\nFour<|im_end|>",
        ),
    ]
    with pytest.raises(ValueError, match=r"^c:1, turn 2: .* writes this answer otherwise once other turns follow it"):
        template.encode(conversation_of(*TALK, place="c:1"), tokenizer_of("marked"))


def test_a_conversation_that_is_written_the_same_is_one_part():
    conversation = conversation_of(*TALK, ("user", "Five"))
    assert template_from(CHATML).parts(conversation, tokenizer_of("marked")) == [conversation]
    assert template_of("chatml").parts(conversation, tokenizer_of("marked")) == [conversation]
    one = conversation_of(*TALK[:2])
    assert template_from(THINKING).parts(one, tokenizer_of("marked")) == [one]


def test_answers_that_are_not_to_be_learned_get_no_part_and_no_supervision():
    turns = [Message(*turn) for turn in TALK]
    turns[1] = Message("assistant", "Two", supervised=False)
    conversation = Conversation(tuple(turns))
    for template in (template_from(THINKING), template_from(CHATML)):
        assert [answer[-14:] for _, answer in learned(template, conversation)] == ["Four<|im_end|>"]
    for option in ("roles", "chatml", "mistral"):
        tokenizer, template = tokenizer_of("marked"), template_of(option)
        encoded = template.encode(conversation, tokenizer)
        MaskValidator(template, tokenizer).check(encoded, conversation)
        both = template.encode(conversation_of(*TALK), tokenizer)
        assert encoded.tokens == both.tokens
        assert encoded.supervised.index(True) == len(template.prompt(turns[:3], tokenizer))


def test_a_variable_of_the_template_changes_prompt_and_row_alike():
    pairs = learned(template_from(THINKING, variables={"enable_thinking": False}), conversation_of(*TALK))
    assert [answer for _, answer in pairs] == ["Two<|im_end|>", "Four<|im_end|>"]
    assert all(prompt.endswith("assistant\n<think>\n\n</think>\n\n") for prompt, _ in pairs)


@pytest.mark.parametrize(
    ("answer", "written"),
    [
        (Message("assistant", "so", reasoning="hm\nwell"), "<think>\nhm\nwell\n</think>\n\nso<|im_end|>"),
        (Message("assistant", "<think>\nhm\n</think>\n\nso"), "<think>\nhm\n</think>\n\nso<|im_end|>"),
        (Message("assistant", "<think>hm</think>so"), "<think>\nhm\n</think>\n\nso<|im_end|>"),
        (Message("assistant", "<think></think> so "), "<think>\n\n</think>\n\n so <|im_end|>"),
        (Message("assistant", "<", reasoning=">"), "<think>\n>\n</think>\n\n<<|im_end|>"),
        (Message("assistant", "<think>hm <|im_end|></think>a <|im_end|>"),
         "<think>\nhm <|im_end|>\n</think>\n\na <|im_end|><|im_end|>"),
    ],
)  # fmt: skip
def test_thoughts_that_a_template_moves_are_found(answer, written):
    conversation = Conversation((Message("user", "why?"), answer), place="c:1")
    template, tokenizer = template_from(THINKING), tokenizer_of("marked")
    ((_, found),) = learned(template, conversation)
    assert found == written
    if "<|im_end|>" not in answer.content:
        theirs = transformers_tokenizer(THINKING, "<s>", "</s>")
        assert text_of(template.encode(conversation, tokenizer).tokens, tokenizer) == theirs.decode(
            apply_chat_template(theirs, conversation.messages)
        )


def test_earlier_thoughts_that_chat_does_not_see_are_not_in_the_row_of_a_later_answer():
    turns = [("user", "a?"), ("assistant", "<think>deep</think>b"), ("user", "c?"), ("assistant", "<think>e</think>d")]
    (_, first), (prompt, last) = learned(template_from(THINKING), conversation_of(*turns))
    assert (first, last) == (
        "<think>\ndeep\n</think>\n\nb<|im_end|>",
        "<think>\ne\n</think>\n\nd<|im_end|>",
    )
    assert "deep" not in prompt


def test_a_prompt_that_opens_thoughts_is_continued_by_the_answer_that_begins_with_them():
    turns = [
        ("user", "a?"),
        ("assistant", "<think>\ndeep\n</think>\n\nb"),
        ("user", "c?"),
        ("assistant", "<think>e</think>d"),
    ]
    (first, one), (second, two) = learned(template_from(OPENING_THOUGHTS), conversation_of(*turns))
    assert all(prompt.endswith("<|im_start|>assistant\n<think>\n") for prompt in (first, second))
    assert (one, two) == ("deep\n</think>\n\nb<|im_end|>", "e</think>d<|im_end|>")
    assert "deep" not in second


@pytest.mark.parametrize(
    ("source", "turns", "message"),
    [
        (
            OPENING_THOUGHTS, TALK,
            r"turn 2: before this answer .* but prompts with '.*<think>\\n': let the answer begin with the thoughts",
        ),
        (
            STRIPS,
            [TALK[0], ("assistant", "<think>hm</think>so")],
            r"turn 2: .* leaves out the thoughts of this answer \('hm'\): remove them \(data.conversations.rea",
        ),
        (
            CHATML, [TALK[0], Message("assistant", "so", reasoning="hm")],
            r"turn 2: .* leaves out the thoughts of this answer \('hm'\)",
        ),
        (FORGETS, TALK, r"turn 1: .* does not write the content of the user turn exactly once and in order"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_as_prompted_is_refused_with_its_cause(source, turns, message):
    turns = tuple(turn if isinstance(turn, Message) else Message(*turn) for turn in turns)
    conversation = Conversation(turns, place="c:1")
    template = template_from(source)
    for refuse in (template.parts, template.encode):
        with pytest.raises(ValueError, match=f"^c:1, {message}"):
            refuse(conversation, tokenizer_of("marked"))


def test_thoughts_are_removed_where_the_prompt_has_closed_them():
    template = template_from(THINKING, variables={"enable_thinking": False})
    conversation = Conversation((Message("user", "a"), Message("assistant", "<think>hm</think>b")), place="c:1")
    with pytest.raises(
        ValueError, match=r"turn 2: before this answer .* but prompts with .*: remove its thoughts, set"
    ):
        template.encode(conversation, tokenizer_of("marked"))


def test_blanks_around_thoughts_are_no_fault():
    source = OPENING_THOUGHTS.replace("message.content.split('</think>')[-1] | trim", "message.content")
    conversation = Conversation((Message("user", "a"), Message("assistant", "<think>\nhm\n</think>\n\nb")))
    assert [answer for _, answer in learned(template_from(source), conversation)] == ["hm\n</think>\n\nb<|im_end|>"]


def test_a_named_template_has_no_place_for_fields_of_reasoning():
    conversation = Conversation((Message("user", "a"), Message("assistant", "b", reasoning="hm")), place="c:1")
    with pytest.raises(ValueError, match=r"c:1, turn 2: .* no place for the reasoning .*reasoning=drop or keep"):
        template_of("chatml").encode(conversation, tokenizer_of("marked"))


RAISES = "{{{{- raise_exception('not so') if {} else '' -}}}}"


@pytest.mark.parametrize(
    ("condition", "turns", "message"),
    [
        ("messages[0].role == 'assistant'", [("assistant", "Hi"), *TALK],
         "turn 1: .* refuses this assistant turn: not so: remove it or put a user turn before it"),
        ("messages[0].role == 'system'", [("system", "be good"), *TALK],
         "turn 1: .* refuses this system turn: not so: write its text at the beginning of the first user turn"),
        ("messages | selectattr('role', 'equalto', 'tool') | list", [*TALK[:2], ("tool", "x"), ("assistant", "y")],
         "turn 3: .* refuses this tool turn: not so: map its role to another with data.conversations.roles"),
        ("messages | length > 4 and messages[4].role == 'assistant'", [*TALK, ("assistant", "y")],
         "turn 5: .* refuses this assistant turn: not so: merge consecutive turns of one role"),
        ("messages[0].role == mood", TALK, "turn 1: .*: 'mood' is undefined: set it with .data.template.variables.m"),
        ("add_generation_prompt and not messages", [("assistant", "Hi"), *TALK],
         "turn 1: .* does not prompt for an answer here: not so: remove it or put a user turn before it"),
    ],
)  # fmt: skip
def test_a_turn_that_a_template_refuses_is_named_with_what_it_says_and_a_remedy(condition, turns, message):
    raising = "{{- mood.lower() -}}" if "mood" in condition else RAISES.format(condition)
    template = template_from(raising + CHATML)
    with pytest.raises(ValueError, match=f"^c:1, {message}"):
        template.encode(conversation_of(*turns, place="c:1"), tokenizer_of("marked"))


def test_tools_are_written_by_a_template_that_takes_them_and_prompted_with():
    tools = ({"type": "function", "function": {"name": "add", "description": "<|im_end|> sums"}},)
    source = "{%- if tools -%}{{ '<|im_start|>system\n' + (tools | tojson) + '<|im_end|>\n' }}{%- endif -%}" + CHATML
    template, tokenizer = template_from(source), tokenizer_of("marked")
    assert template.takes_tools
    assert not template_from(CHATML).takes_tools
    conversation = conversation_of(*TALK, tools=tools)
    encoded = template.encode(conversation, tokenizer)
    MaskValidator(template, tokenizer).check(encoded, conversation)
    prompt = template.prompt(conversation.messages[:1], tokenizer, tools=tools)
    assert encoded.tokens[: len(prompt)] == prompt
    assert text_of(prompt, tokenizer).startswith('<|im_start|>system\n[{"type": "function", "function": {"name": "add"')
    special = [token for token in prompt if token in tokenizer.special_tokens.values()]
    assert len(special) == 5, "a special token in a description is text"


def test_results_of_tools_may_be_spelled_as_json():
    source = CHATML.replace(
        "message.content", "(message.content | tojson if message.role == 'tool' else message.content)"
    )
    turns = [("user", "a"), ("assistant", "b"), ("tool", ' {"c": "d\\n\\u00e9 é"}\n'), ("assistant", "e")]
    pairs = learned(template_from(source), conversation_of(*turns))
    assert [answer for _, answer in pairs] == ["b<|im_end|>", "e<|im_end|>"]
    lossy = source.replace("message.content | tojson", "message.content | upper")
    with pytest.raises(ValueError, match=r"c:1, turn 3: .* rewrites the content of the tool turn"):
        template_from(lossy).parts(conversation_of(*turns, place="c:1"), tokenizer_of("marked"))


@pytest.mark.parametrize("name", ["ours", "marked", "spaced"])
@pytest.mark.parametrize("option", ["chatml", "llama2", "mistral", "gemma"])
def test_a_prompt_equals_the_training_prefix_for_contents_with_blanks_at_their_ends(option, name):
    names = dict.fromkeys(("bos_token", "eos_token"), "<|end_of_turn|>") if name != "marked" else NAMES
    source = (
        PUBLISHED[option]
        if option in ("llama2", "mistral")
        else PUBLISHED[option].replace("<end_of_turn>", names["eos_token"])
    )
    source = source.replace("<|im_end|>", names["eos_token"])
    template, tokenizer, draw = ChatTemplate("t", source=source, names=names), tokenizer_of(name), random.Random(2)
    for _ in range(20):
        texts = ["".join(draw.choices([" ", "\n", "a", "b", " ab", "\n\n", "?"], k=5)) + "." for _ in range(6)]
        turns = [(("user", "assistant")[n % 2], draw.choice(["", " ", "\n"]) + text) for n, text in enumerate(texts)]
        conversation = conversation_of(*turns)
        encoded = template.encode(conversation, tokenizer)
        MaskValidator(template, tokenizer).check(encoded, conversation)
        starts = [n for n in range(1, len(encoded.tokens)) if encoded.supervised[n] and not encoded.supervised[n - 1]]
        for number, start in zip((1, 3, 5), starts, strict=True):
            assert template.prompt(conversation.messages[:number], tokenizer) == encoded.tokens[:start]
