"""A model's own Jinja template is aligned with what was said, or refused by turn."""

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


def test_a_template_is_found_in_a_file_of_its_own_in_a_config_and_in_a_folder(tmp_path):
    tokenizer, conversation = tokenizer_of("marked"), conversation_of(USER, ANSWER)
    names = {"bos_token": {"content": "<bos>"}, "eos_token": "<end_of_turn>"}
    config = tmp_path / "tokenizer_config.json"
    alone = tmp_path / "chat_template.jinja"
    wanted = template_of("gemma").encode(conversation, tokenizer)
    for source in (PUBLISHED["gemma"], [{"name": "default", "template": PUBLISHED["gemma"]}]):
        config.write_text(json.dumps(names | {"chat_template": source}))
        for path in (config, tmp_path):
            assert ChatTemplate(str(path)).encode(conversation, tokenizer) == wanted
    config.write_text(json.dumps(names))
    with pytest.raises(ValueError, match=r"template\.path .* has no chat_template: give a chat_template\.jinja"):
        ChatTemplate(str(tmp_path))
    alone.write_text(PUBLISHED["gemma"])
    for path in (alone, tmp_path):
        assert ChatTemplate(str(path)).encode(conversation, tokenizer) == wanted
    with pytest.raises(ValueError, match=r"template\.path .*nothing has no chat_template"):
        ChatTemplate(str(tmp_path / "nothing"))
    config.write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        ChatTemplate(str(config))


def test_blanks_that_the_template_cuts_are_cut_and_others_stay(tmp_path):
    tokenizer = tokenizer_of("marked")
    conversation = conversation_of(("user", " hi\n"), ("assistant", "\n  hello \n"))
    for source, shown in (
        (CHATML, "<|im_start|>user\n hi\n<|im_end|>\n<|im_start|>assistant\n\n  hello \n<|im_end|>\n"),
        (CHATML.replace("message.content", "(message.content | trim)"),
         "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n"),
    ):  # fmt: skip
        template = given(tmp_path, source)
        encoded = template.encode(conversation, tokenizer)
        assert text_of(encoded.tokens, tokenizer) == shown
        MaskValidator(template, tokenizer).check(encoded, conversation)


@pytest.mark.parametrize("option", PUBLISHED)
def test_the_certificate_holds_for_words_that_try_to_be_marks(tmp_path, option):
    begin, end = BEGINS[option]
    template = given(tmp_path, PUBLISHED[option].replace("bos_token", repr(begin)).replace("eos_token", repr(end)))
    tokenizer, draw = tokenizer_of("marked"), random.Random(0)
    certificate = MaskValidator(template, tokenizer)
    for _ in range(200):
        said = ["".join(draw.choices([*PIECES, "\ue0001\ue001"], k=9)) + "." for _ in range(4)]
        turns = [*zip(("user", "assistant") * 2, said, strict=True)]
        conversation = conversation_of(*turns, place="c:1")
        certificate.check(template.encode(conversation, tokenizer), conversation)


def test_what_generation_marks_is_written_as_it_is(tmp_path):
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
ENDLESS = CHATML.replace("<|im_end|>", "")
REWRITES = CHATML.replace("message.content", "(message.content if loop.last else message.content | upper)")


@pytest.mark.parametrize(
    ("source", "turns", "told"),
    [
        (FORGETS, TALK, r"turn 1: .* does not write the user's words once and in their place"),
        (TWICE, TALK, r"turn 1: .* does not write the user's words once"),
        (THINKS, [*TALK[:3], ("assistant", "<think>hm</think>so")], r"turn 4: .* the assistant in another way"),
        (REWRITES, [("user", "hi there"), ANSWER], r"turn 1: .* the user in another way"),
        (ADDS, TALK, r"turn 2: before this answer .* but prompts with '.*<think>"),
        (ENDLESS, TALK, r"^c:1: no control token of the tokenizer follows an answer"),
        ("{{ raise_exception('no tools') }}", TALK, r"turns .*: the chat_template .* does not take them: no tools"),
        ("{{ messages[9].content }}", TALK, "does not take them"),
        ("{{ ''.__class__.__mro__ }}", TALK, "does not take them: .*unsafe"),
    ],
)
def test_what_cannot_be_aligned_is_refused_by_place_and_turn(tmp_path, source, turns, told):
    with pytest.raises(ValueError, match=told) as caught:
        given(tmp_path, source).encode(conversation_of(*turns, place="c:1"), tokenizer_of("marked"))
    assert str(caught.value).startswith("c:1")


def test_a_template_for_another_tokenizer_or_in_another_language_is_refused(tmp_path):
    conversation = conversation_of(USER, ANSWER)
    with pytest.raises(ValueError, match=r"template\.path .* there is no special token of this tokenizer"):
        given(tmp_path, CHATML).stop_tokens(tokenizer_of("ours"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<bos>", "eos_token": "</s>"}))
    with pytest.raises(ValueError, match=r"writes the bos_token '<bos>', which this tokenizer has not"):
        given(tmp_path, PUBLISHED["gemma"]).encode(conversation, tokenizer_of("ours"))
    with pytest.raises(ValueError, match=r"template\.path .*: its chat_template is not Jinja"):
        given(tmp_path, "{% for %}")


def test_a_prompt_is_what_training_showed_even_where_the_template_prompts_with_less(tmp_path):
    tokenizer = tokenizer_of("marked")
    template = given(tmp_path, PUBLISHED["llama2"].replace("bos_token", "'<s>'").replace("eos_token", "'</s>'"))
    encoded = template.encode(conversation_of(*TALK), tokenizer)
    start = encoded.supervised.index(True)
    assert template.prompt([Message(*USER)], tokenizer) == encoded.tokens[:start]
    assert text_of(encoded.tokens[:start], tokenizer) == "<s>[INST] hi there [/INST] "
