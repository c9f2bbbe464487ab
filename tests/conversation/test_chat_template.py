"""A model's own Jinja template is aligned with the conversation, or the conversation is refused by turn."""

import json
import random

import pytest

from lm.conversation import ChatTemplate, MaskValidator, Message
from support.published_templates import BEGINS, PUBLISHED
from support.talks import PIECES, conversation_of, template_of, text_of, tokenizer_of

USER, ANSWER = ("user", "hi there"), ("assistant", "hello")
CHATML = PUBLISHED["chatml"]


def given(tmp_path, source: str) -> ChatTemplate:
    path = tmp_path / "chat_template.jinja"
    path.write_text(source, encoding="utf-8")
    return ChatTemplate(str(path))


def test_a_template_is_read_from_a_jinja_file_a_config_or_a_directory(tmp_path):
    tokenizer, conversation = tokenizer_of("marked"), conversation_of(USER, ANSWER)
    names = {"bos_token": {"content": "<bos>"}, "eos_token": "<end_of_turn>"}
    config = tmp_path / "tokenizer_config.json"
    alone = tmp_path / "chat_template.jinja"
    expected = template_of("gemma").encode(conversation, tokenizer)
    for source in (PUBLISHED["gemma"], [{"name": "default", "template": PUBLISHED["gemma"]}]):
        config.write_text(json.dumps(names | {"chat_template": source}))
        for path in (config, tmp_path):
            assert ChatTemplate(str(path)).encode(conversation, tokenizer) == expected
    config.write_text(json.dumps(names))
    with pytest.raises(ValueError, match=r"template\.path .* has no chat_template: give a chat_template\.jinja"):
        ChatTemplate(str(tmp_path))
    alone.write_text(PUBLISHED["gemma"])
    for path in (alone, tmp_path):
        assert ChatTemplate(str(path)).encode(conversation, tokenizer) == expected
    with pytest.raises(ValueError, match=r"template\.path .*nothing has no chat_template"):
        ChatTemplate(str(tmp_path / "nothing"))
    config.write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        ChatTemplate(str(config))


def test_white_space_is_stripped_only_where_the_template_strips_it(tmp_path):
    tokenizer = tokenizer_of("marked")
    conversation = conversation_of(("user", " hi\n"), ("assistant", "\n  hello \n"))
    for source, expected in (
        (CHATML, "<|im_start|>user\n hi\n<|im_end|>\n<|im_start|>assistant\n\n  hello \n<|im_end|>\n"),
        (CHATML.replace("message.content", "(message.content | trim)"),
         "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n"),
    ):  # fmt: skip
        template = given(tmp_path, source)
        encoded = template.encode(conversation, tokenizer)
        assert text_of(encoded.tokens, tokenizer) == expected
        MaskValidator(template, tokenizer).check(encoded, conversation)


@pytest.mark.parametrize("option", PUBLISHED)
def test_the_mask_is_valid_for_text_that_imitates_special_tokens(tmp_path, option):
    begin, end = BEGINS[option]
    template = given(tmp_path, PUBLISHED[option].replace("bos_token", repr(begin)).replace("eos_token", repr(end)))
    tokenizer, draw = tokenizer_of("marked"), random.Random(0)
    validator = MaskValidator(template, tokenizer)
    for _ in range(200):
        contents = ["".join(draw.choices([*PIECES, "\ue0001\ue001"], k=9)) + "." for _ in range(4)]
        turns = [*zip(("user", "assistant") * 2, contents, strict=True)]
        conversation = conversation_of(*turns, place="c:1")
        validator.check(template.encode(conversation, tokenizer), conversation)


def test_generation_blocks_are_rendered_unchanged(tmp_path):
    marked = CHATML.replace("{{ '<|im_start|>' +", "{% generation %}{{ '<|im_start|>' +").replace(
        "'<|im_end|>\n' }}", "'<|im_end|>\n' }}{% endgeneration %}"
    )
    assert "{% endgeneration %}" in marked
    tokenizer, conversation = tokenizer_of("marked"), conversation_of(USER, ANSWER)
    assert given(tmp_path, marked).encode(conversation, tokenizer) == template_of("chatml").encode(
        conversation, tokenizer
    )


TALK = [USER, ANSWER, ("user", "why?"), ("assistant", "so")]
FORGETS = CHATML.replace("in messages -%}", "in messages[-2:] -%}")
THINKS = CHATML.replace(
    "message.content", "(message.content.split('</think>')[-1] if message.role == 'assistant' else message.content)"
)
ADDS = CHATML.replace("{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n<think>\n' }}")
TWICE = CHATML.replace("message.content", "message.content + message.content")
ENDLESS = CHATML.replace("<|im_end|>", "").replace("<|im_start|>", "# ")
REWRITES = CHATML.replace("message.content", "(message.content if loop.last else message.content | upper)")


@pytest.mark.parametrize(
    ("source", "turns", "message"),
    [
        (FORGETS, TALK, r"turn 1: .* does not write the content of the user turn exactly once and in order"),
        (TWICE, TALK, r"turn 1: .* does not write the content of the user turn exactly once"),
        (
            THINKS,
            [*TALK[:3], ("assistant", "<think>hm</think>so")],
            r"turn 4: .* leaves out the thoughts of this answer \('hm'\): remove them",
        ),
        (REWRITES, [("user", "hi there"), ANSWER], r"turn 1: .* rewrites the content of the user turn"),
        (ADDS, TALK, r"turn 2: before this answer .* but prompts with '.*<think>"),
        (ENDLESS, TALK, r"turn 2: no special token of this tokenizer follows the answer"),
        (
            "{{ raise_exception('no tools') }}",
            TALK,
            r"turn 1: .* refuses this user turn: no tools: use another template",
        ),
        ("{{ messages[9].content }}", TALK, "turn 1: .* refuses this user turn"),
        ("{{ ''.__class__.__mro__ }}", TALK, "refuses this user turn: .*unsafe"),
    ],
)
def test_a_conversation_that_cannot_be_aligned_is_refused_by_place_and_turn(tmp_path, source, turns, message):
    with pytest.raises(ValueError, match=message) as caught:
        given(tmp_path, source).encode(conversation_of(*turns, place="c:1"), tokenizer_of("marked"))
    assert str(caught.value).startswith("c:1")


def test_a_template_of_another_tokenizer_and_one_that_is_not_jinja_are_refused(tmp_path):
    conversation = conversation_of(USER, ANSWER)
    with pytest.raises(ValueError, match=r"template\.path .* which holds no special token of this tokenizer"):
        given(tmp_path, CHATML).stop_tokens(tokenizer_of("ours"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<bos>", "eos_token": "</s>"}))
    with pytest.raises(ValueError, match=r"writes the bos_token '<bos>', which is not a special token"):
        given(tmp_path, PUBLISHED["gemma"]).encode(conversation, tokenizer_of("ours"))
    with pytest.raises(ValueError, match=r"template\.path .*: its chat_template is not Jinja"):
        given(tmp_path, "{% for %}")


def test_a_space_before_answers_is_learned_where_the_template_does_not_prompt_with_it(tmp_path):
    tokenizer = tokenizer_of("marked")
    template = given(tmp_path, PUBLISHED["llama2"].replace("bos_token", "'<s>'").replace("eos_token", "'</s>'"))
    encoded = template.encode(conversation_of(*TALK), tokenizer)
    start = encoded.supervised.index(True)
    assert template.prompt([Message(*USER)], tokenizer) == encoded.tokens[:start]
    assert text_of(encoded.tokens[:start], tokenizer) == "<s>[INST] hi there [/INST]"
    assert template.content(" hello ", tokenizer) == "hello"
