"""A chat_template is given the functions, filters and names that transformers gives it, and a date that stays."""

import json

import pytest

from lm.conversation import ChatTemplate
from support.foreign import apply_chat_template, foreign_tokenizer, transformers_tokenizer
from support.published_templates import PUBLISHED
from support.talks import conversation_of, text_of, tokenizer_of

TALK = conversation_of(("user", "a < b & 'é'"), ("assistant", "yes"), place="c:1")
CHATML = PUBLISHED["chatml"]


@pytest.mark.parametrize(
    "opening",
    [
        "{{ {'b': 1, 'a': ['<é>', \"'\"]} | tojson }}",
        "{{ {'b': 1, 'a': {'c': 2}} | tojson(indent=2, sort_keys=true, ensure_ascii=true) }}",
        "{{ [1, 2] | tojson(separators=(',', ':')) }}",
        "{%- for n in range(9) -%}{%- if n == 1 -%}{%- continue -%}{%- endif -%}"
        "{%- if n > 3 -%}{%- break -%}{%- endif -%}{{ n }}{%- endfor -%}",
        "{%- set ns = namespace(found=false) -%}{%- set ns.found = true -%}{{ ns.found }}",
        "{{ bos_token }}{{ eos_token }}{{ tools is none }}{{ documents is none }}",
        "{{ pad_token is defined }}{{ messages[0]['role'] | upper }}",
        "{% if true %}\n    {{ 'indented' }}\n{% endif %}\n",
        "{{ messages[:1] | map(attribute='role') | join(', ') }}",
    ],
)
def test_templates_find_what_transformers_gives_them(opening):
    source = opening + CHATML
    template = ChatTemplate("t", source=source, names={"bos_token": "<s>", "eos_token": "</s>"})
    theirs = transformers_tokenizer(source, "<s>", "</s>")
    assert template.encode(TALK, foreign_tokenizer()).tokens == apply_chat_template(theirs, TALK.messages)


def test_variables_reach_the_template_and_documents_too():
    source = "{{ mood }}{% for d in documents %}{{ d.title }}{% endfor %}" + CHATML
    template = ChatTemplate("t", source=source, variables={"mood": "calm ", "documents": [{"title": "one "}]})
    tokenizer = tokenizer_of("marked")
    assert text_of(template.encode(TALK, tokenizer).tokens, tokenizer).startswith("calm one <|im_start|>user")
    assert template.describe()["variables"] == template.variables


def test_the_mask_covers_what_generation_blocks_mark():
    source = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}{{- message.content + '<|im_end|>' -}}{%- endgeneration -%}
{%- else -%}{{- message.content + '<|im_end|>' -}}{%- endif -%}
{{- '\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"""
    theirs = transformers_tokenizer(source, "<s>", "</s>")
    turns = [{"role": message.role, "content": message.content} for message in TALK.messages]
    marked = theirs.apply_chat_template(turns, return_assistant_tokens_mask=True, return_dict=True)
    encoded = ChatTemplate("t", source=source).encode(TALK, foreign_tokenizer())
    assert encoded.tokens == marked["input_ids"]
    assert encoded.supervised == [bool(on) for on in marked["assistant_masks"]]


DATED = "{{ strftime_now('%d %b %Y') }}" + CHATML


def test_the_date_is_fixed_when_the_template_is_opened_and_recorded():
    tokenizer = tokenizer_of("marked")
    given = ChatTemplate("t", source=DATED, date="2026-01-31")
    assert text_of(given.encode(TALK, tokenizer).tokens, tokenizer).startswith("31 Jan 2026<|im_start|>")
    today = ChatTemplate("t", source=DATED)
    assert today.describe()["date"] == today.date
    again = ChatTemplate("t", source=DATED, date=today.date)
    assert again.encode(TALK, tokenizer) == today.encode(TALK, tokenizer)
    assert "date" not in ChatTemplate("t", source=CHATML).describe(), "it is recorded only where the template asks"
    with pytest.raises(ValueError, match=r"template\.date '31\.1\.' is not a date in ISO format: write it as 2026"):
        ChatTemplate("t", source=DATED, date="31.1.")


def test_a_template_that_asks_whether_there_is_a_clock_gets_the_date():
    source = "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% else %}26 Jul 2024{% endif %}" + CHATML
    tokenizer = tokenizer_of("marked")
    text = text_of(ChatTemplate("t", source=source, date="2026-01-31").encode(TALK, tokenizer).tokens, tokenizer)
    assert text.startswith("2026<|im_start|>")


def test_names_of_special_tokens_come_from_both_files_of_a_tokenizer(tmp_path):
    (tmp_path / "chat_template.jinja").write_text(
        "{{ bos_token }}{{ cls_token }}{{ additional_special_tokens[1] }}" + CHATML
    )
    (tmp_path / "special_tokens_map.json").write_text(
        json.dumps({"bos_token": "<s>", "cls_token": {"content": "<bos>"}, "additional_special_tokens": ["x", "</s>"]})
    )
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<|im_start|>", "eos_token": None}))
    tokenizer = tokenizer_of("marked")
    text = text_of(ChatTemplate(str(tmp_path)).encode(TALK, tokenizer).tokens, tokenizer)
    assert text.startswith("<|im_start|><bos></s><|im_start|>user")
