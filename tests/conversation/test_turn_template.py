"""Every template writes its published format, supervises answers and their ends only, and keeps content text."""

import random
from itertools import chain

import pytest

from lm.conversation import ChatTemplate, MaskValidator, Message, TurnTemplate
from support.published_templates import BEGINS, PUBLISHED
from support.talks import (
    ALTERNATING,
    DATA,
    HERE,
    OPTIONS,
    PIECES,
    REAL,
    SENTENCEPIECE,
    SPECIAL,
    TOOLS,
    control_of,
    conversation_of,
    random_conversation,
    template_of,
    text_of,
    tokenizer_of,
)

USER, ANSWER, SYSTEM = ("user", "hi there"), ("assistant", "hello"), ("system", "be good")
NOT_ROLES = [option for option in OPTIONS if option != "roles"]


@pytest.mark.parametrize("name", [*HERE, *REAL])
@pytest.mark.parametrize("option", OPTIONS)
def test_the_mask_is_valid_for_random_conversations(option, name):
    validate(option, name, count=100)


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("option", OPTIONS)
def test_the_mask_is_valid_for_ten_thousand_random_conversations(option, name):
    validate(option, name, count=10_000)


def validate(option: str, name: str, *, count: int) -> None:
    template, tokenizer, draw = template_of(option), tokenizer_of(name), random.Random(option)
    validator = MaskValidator(template, tokenizer)
    for _ in range(count):
        conversation = random_conversation(draw, option)
        encoded = template.encode(conversation, tokenizer)
        validator.check(encoded, conversation)
        chosen = [token for token, counts in zip(encoded.tokens, encoded.supervised, strict=True) if counts]
        answers = [message.content for message in conversation.messages if message.role == "assistant"]
        stop = template.stop_tokens(tokenizer)[0]  # from here on independently of the validator
        assert chosen.count(stop) == len(answers)
        written = [
            template.answer(conversation, number, tokenizer)
            for number, message in enumerate(conversation.messages, start=1) if message.role == "assistant"
        ]  # fmt: skip
        assert [*map(str.strip, written)] == [*map(str.strip, answers)]
        expected = "".join(map(tokenizer.normalize, written))
        assert tokenizer.token_bytes[chosen].sum() == len(expected.encode())


@pytest.mark.parametrize("name", [*HERE, *REAL])
@pytest.mark.parametrize("option", OPTIONS)
def test_special_tokens_that_somebody_types_stay_text(option, name):
    template, tokenizer = template_of(option), tokenizer_of(name)
    typed = "".join(dict.fromkeys([*SPECIAL, *list(tokenizer.special_tokens)[:40]]))
    turns = [("system", typed), ("user", typed), ("assistant", typed), ("user", typed), ("assistant", typed)]
    tokens = template.encode(conversation_of(*turns), tokenizer).tokens
    plain = template.encode(conversation_of(*((role, "x") for role, _ in turns)), tokenizer).tokens
    assert control_of(tokens, tokenizer) == control_of(plain, tokenizer)
    assert tokenizer.decode(tokens).count(tokenizer.normalize(typed)) == 5
    prompt = template.prompt([Message(*turn) for turn in turns[:2]], tokenizer)
    assert control_of(prompt, tokenizer) == control_of(plain, tokenizer)[: len(control_of(prompt, tokenizer))]


@pytest.mark.parametrize("name", [*HERE, *REAL])
@pytest.mark.parametrize("option", OPTIONS)
def test_a_prompt_equals_the_training_prefix_of_each_answer(option, name):
    template, tokenizer, draw = template_of(option), tokenizer_of(name), random.Random(3)
    for _ in range(50):
        conversation = random_conversation(draw, option)
        encoded = template.encode(conversation, tokenizer)
        starts = [
            place for place in range(1, len(encoded.tokens))
            if encoded.supervised[place] and not encoded.supervised[place - 1]
        ]  # fmt: skip
        answers = [number for number, message in enumerate(conversation.messages) if message.role == "assistant"]
        for start, number in zip(starts, answers, strict=True):
            assert template.prompt(conversation.messages[:number], tokenizer) == encoded.tokens[:start]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_prompt_may_contain_an_interrupted_answer(option):
    messages = [Message("user", "what?"), Message("assistant", ""), Message("user", "do")]
    assert template_of(option).prompt(messages, tokenizer_of("ours"))


@pytest.mark.parametrize("option", PUBLISHED)
def test_the_text_equals_the_published_template_rendered_by_transformers(option):
    tokenizer, template, draw = tokenizer_of("marked"), template_of(option), random.Random(5)
    rendered = renderer(option)
    kinds = [(USER, ANSWER), (SYSTEM, USER, ANSWER, USER, ANSWER), (USER, ANSWER, USER, ANSWER)]
    kinds += [(USER, ANSWER, ("tool", "[1]"), ANSWER)] if option in TOOLS else []
    for turns in kinds:
        conversation = conversation_of(*turns)
        assert text_of(template.encode(conversation, tokenizer).tokens, tokenizer) == rendered(conversation.messages)
    for _ in range(200):
        conversation = padded(random_conversation(draw, option), draw)
        if conversation.messages[-1].role == "assistant" and conversation.messages[0].role != "assistant":
            written = text_of(template.encode(conversation, tokenizer).tokens, tokenizer)
            assert written == rendered(conversation.messages)


@pytest.mark.parametrize("option", ["chatml", "llama3", "gemma"])  # the others write a space before answers
def test_the_ids_equal_those_of_the_whole_text(option):
    tokenizer, template = tokenizer_of("marked"), template_of(option)
    conversation = conversation_of(SYSTEM, USER, ANSWER, ("user", "what does\n\nthis do?"), ANSWER)
    text = renderer(option)(conversation.messages)
    whole = [[part] if isinstance(part, int) else tokenizer.encode(part) for part in tokenizer.split_special(text)]
    assert template.encode(conversation, tokenizer).tokens == list(chain.from_iterable(whole))


def padded(conversation, draw: random.Random):
    """With white space at the ends of some turns, which some published templates trim."""
    return conversation_of(
        *(
            (
                message.role,
                draw.choice(["", "", " ", "\n", "\t \r\n"]) + message.content + draw.choice(["", "", " ", "\n\n"]),
            )
            for message in conversation.messages
        )
    )


def renderer(option: str):
    """The published template through transformers."""
    transformers = pytest.importorskip("transformers")
    backend = tokenizer_of("marked")._backend
    begin, end = BEGINS[option]
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=begin, eos_token=end)
    fast.chat_template = PUBLISHED[option]

    def rendered(messages) -> str:
        dictionaries = [{"role": message.role, "content": message.content} for message in messages]
        return fast.apply_chat_template(dictionaries, tokenize=False)

    return rendered


@pytest.mark.parametrize("option", PUBLISHED)
def test_the_imported_template_writes_the_same_text_and_mask(option, tmp_path):
    path = tmp_path / "chat_template.jinja"
    path.write_text(PUBLISHED[option].replace("bos_token", repr(BEGINS[option][0])).replace("eos_token", "'</s>'"))
    imported, ours, draw = ChatTemplate(str(path)), template_of(option), random.Random(7)
    tokenizer = tokenizer_of("marked")
    assert imported.stop_tokens(tokenizer) == ours.stop_tokens(tokenizer)
    validator = MaskValidator(imported, tokenizer)
    for _ in range(100):
        conversation = padded(random_conversation(draw, option), draw)
        encoded = imported.encode(conversation, tokenizer)
        validator.check(encoded, conversation)
        expected = ours.encode(conversation, tokenizer)
        if option in (
            "llama2",
            "mistral",
            "mistral_v3",
        ):  # ours prompts with the space before an answer, theirs does not
            assert text_of(encoded.tokens, tokenizer) == text_of(expected.tokens, tokenizer)
            continue
        assert encoded == expected
        question = conversation.messages[: 1 + (conversation.messages[0].role == "system")]
        if question[-1].role == "user":
            assert imported.prompt(question, tokenizer) == ours.prompt(question, tokenizer)


@pytest.mark.parametrize("option", NOT_ROLES)
def test_missing_special_tokens_have_stand_ins_that_nobody_can_type(option):
    tokenizer, template = tokenizer_of("ours"), template_of(option)
    tokens = template.encode(conversation_of(USER, ANSWER), tokenizer).tokens
    assert control_of(tokens, tokenizer).count("<|end_of_turn|>") >= 1
    spelled = [token for token in SPECIAL if token in tokenizer.decode(tokens)]
    assert spelled == (["[INST]", "[/INST]"] if option in ("llama2", "mistral") else [])
    assert template.stop_tokens(tokenizer) == [tokenizer.end_of_turn, tokenizer.end_of_document]


@pytest.mark.parametrize("option", ALTERNATING)
@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([USER, USER, ANSWER], "turn 2: user turn where the template requires the assistant's"),
        ([ANSWER, USER, ANSWER], "turn 1: assistant turn where the template requires the user's"),
        ([SYSTEM, ANSWER], "turn 2: assistant turn where the template requires"),
        ([USER, ANSWER, ANSWER], "turn 3: assistant turn where the template requires"),
        ([USER, ("tool", "x"), ANSWER], "turn 2: this template has no tool turn"),
    ],
)
def test_turns_that_a_format_cannot_express_are_refused_by_place(option, turns, message):
    with pytest.raises(ValueError, match=r"^chat\.jsonl:7, ") as caught:
        template_of(option).encode(conversation_of(*turns, place="chat.jsonl:7"), tokenizer_of("ours"))
    assert message in str(caught.value)


@pytest.mark.parametrize("option", ["roles", "alpaca"])
def test_tool_turns_are_refused_where_the_format_has_none(option):
    turns = [USER, ANSWER, ("tool", "x"), ANSWER]
    with pytest.raises(
        ValueError,
        match=r"^c:1, turn 3: .*no tool turn: use a template that has one, as conversation@data\.template=chatml",
    ):
        template_of(option).encode(conversation_of(*turns, place="c:1"), tokenizer_of("ours"))


def test_the_system_text_goes_into_the_first_question_only():
    tokenizer = tokenizer_of("marked")
    tokens = template_of("gemma").encode(conversation_of(SYSTEM, USER, ANSWER, USER, ANSWER), tokenizer).tokens
    turn = "<start_of_turn>user\n{}hi there<end_of_turn>\n<start_of_turn>model\nhello<end_of_turn>\n"
    assert text_of(tokens, tokenizer) == "<bos>" + turn.replace("{}", "be good\n\n") + turn.replace("{}", "")


def test_alpaca_begins_with_its_default_system_text_unless_a_system_turn_replaces_it():
    tokenizer, template = tokenizer_of("marked"), template_of("alpaca")
    without = text_of(template.encode(conversation_of(USER, ANSWER), tokenizer).tokens, tokenizer)
    assert without == (
        "<s>Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\nhi there\n\n### Response:\nhello</s>\n\n"
    )
    replaced = text_of(template.encode(conversation_of(SYSTEM, USER, ANSWER), tokenizer).tokens, tokenizer)
    assert replaced == "<s>be good\n\n### Instruction:\nhi there\n\n### Response:\nhello</s>\n\n"


@pytest.mark.skipif(not REAL, reason="the sample tokenizers are not here")
@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("llama2", "<s> [INST] hi there [/INST] hello </s>"),
        ("mistral", "<s> [INST] hi there [/INST] hello</s>"),
        ("mistral_v3", "<s>[INST] hi there[/INST] hello</s>"),
    ],
)
def test_a_tokenizer_that_adds_a_space_gives_one_space_where_the_template_has_one(option, expected):
    tokenizer = tokenizer_of(option)
    encoded = template_of(option).encode(conversation_of(USER, ANSWER), tokenizer)
    assert text_of(encoded.tokens, tokenizer) == expected
    first = encoded.tokens[encoded.supervised.index(True)]
    assert tokenizer.encode("hello")[0] == first


@pytest.mark.skipif(not REAL, reason="the sample tokenizers are not here")
@pytest.mark.parametrize("option", ["llama2", "mistral"])
def test_the_ids_equal_sentencepiece_on_the_whole_question_and_answer(option):
    sentencepiece = pytest.importorskip("sentencepiece")
    model = sentencepiece.SentencePieceProcessor(model_file=str(DATA / SENTENCEPIECE[option]))
    end = " " if option == "llama2" else ""
    encoded = template_of(option).encode(conversation_of(SYSTEM, USER, ANSWER), tokenizer_of(option))
    system = "<<SYS>>\nbe good\n<</SYS>>\n\n" if option == "llama2" else "be good\n\n"
    whole = model.encode(f"[INST] {system}hi there [/INST] hello{end}")
    assert encoded.tokens == [model.bos_id(), *whole, model.eos_id()]


@pytest.mark.parametrize(
    ("option", "question", "answer"),
    [
        ("roles", " a\n", "\tb "), ("chatml", " a\n", "\tb "), ("alpaca", " a\n", "\tb "), ("mistral", " a\n", "\tb "),
        ("llama2", "a", "b"), ("llama3", "a", "b"), ("gemma", "a", "b"), ("mistral_v3", " a\n", "b"),
    ],
)  # fmt: skip
def test_white_space_at_the_ends_is_trimmed_as_the_original_trims_it(option, question, answer):
    tokenizer, template = tokenizer_of("marked"), template_of(option)
    conversation = conversation_of(("user", " a\n"), ("assistant", "\tb "))
    encoded = template.encode(conversation, tokenizer)
    spelled = text_of(encoded.tokens, tokenizer)
    opening, _, closing = template.turns["user"].partition("{}")
    assert opening.split("<|user|>")[-1] + question + closing.split("<|")[0] in spelled.replace("<|end_of_turn|>", "")
    assert template.answer(conversation, 2, tokenizer).removesuffix(" " if option == "llama2" else "") == answer
    MaskValidator(template, tokenizer).check(encoded, conversation)


def test_a_reply_becomes_the_content_that_the_template_wrote():
    tokenizer = tokenizer_of("marked")
    assert template_of("llama2").content("hello ", tokenizer) == "hello"
    assert template_of("chatml").content(" hello ", tokenizer) == " hello "


def test_trimming_is_described_and_names_roles():
    described = template_of("llama2").describe()
    assert (described["trim"], described["trim_after_system"]) == (["user", "assistant"], False)
    assert "trim" not in template_of("chatml").describe()
    with pytest.raises(ValueError, match=r"template\.trim: 'model' is not one of system, user, assistant, tool"):
        TurnTemplate(**GIVEN, trim=["model"])


GIVEN = {
    "begin": "", "system": "{}\n", "user": "u: {}\n", "assistant": "a: {}</s>\n", "tool": None, "stop": "</s>",
    "stand_ins": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"user": "u: "}, r"template\.user 'u: ' must have one \{\}"),
        ({"user": "{} {}"}, "must have one"),
        ({"assistant": "</s>{}"}, r"must have its stop '</s>' after"),
        ({"assistant": "{}!</s>"}, r"must have its stop '</s>' after"),
        ({"stop": ""}, "must have its stop ''"),
        ({"system": None, "system_in_user": True}, r"template\.system is null"),
        ({"default_system": "x", "system_in_user": True}, r"template\.default_system needs a turn of its own"),
    ],
)
def test_an_inconsistent_template_is_refused(changed, message):
    TurnTemplate(**GIVEN)
    with pytest.raises(ValueError, match=message):
        TurnTemplate(**(GIVEN | changed))


def test_a_stop_that_is_not_a_special_token_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"template\.stop '</s>' is not a special token .*stand_ins"):
        TurnTemplate(**GIVEN).stop_tokens(tokenizer_of("ours"))
    with pytest.raises(ValueError, match=r"template\.stop ' </s>' is not a special token"):
        TurnTemplate(**(GIVEN | {"assistant": "a: {} </s>", "stop": " </s>"})).stop_tokens(tokenizer_of("marked"))
    with pytest.raises(ValueError, match=r"c:1: no special token of this tokenizer follows an answer"):
        TurnTemplate(**GIVEN).encode(conversation_of(USER, ANSWER, place="c:1"), tokenizer_of("ours"))


def test_random_conversations_contain_every_special_token_as_text():
    assert set(SPECIAL) < set(PIECES)


def test_a_space_at_the_end_of_a_question_stays():
    tokenizer = tokenizer_of("spaced")
    template = TurnTemplate(**(GIVEN | {"user": "{}", "assistant": "{}</s>", "stand_ins": {"</s>": "<|end_of_turn|>"}}))
    conversation = conversation_of(("user", "a "), ("assistant", "b"))
    tokens = template.encode(conversation, tokenizer).tokens
    assert tokens == [*tokenizer.encode("a "), *tokenizer.encode("b"), tokenizer.end_of_turn]
