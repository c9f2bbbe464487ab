"""A run says by itself in which template its model was taught, and what it names is never run unless it is ours."""

import json
import random
import sys

import pytest

from lm.conversation import ChatTemplate, Recorded, RoleTokens, record_template
from support.published_templates import PUBLISHED
from support.talks import OPTIONS, conversation_of, random_conversation, template_of, tokenizer_of


class Mine(RoleTokens):
    """A template of somebody's own."""


@pytest.mark.parametrize("option", OPTIONS)
def test_the_recorded_template_writes_the_same_tokens(tmp_path, option):
    template, tokenizer = template_of(option), tokenizer_of("marked")
    assert record_template(tmp_path, template) == [tmp_path / "conversation.json"]
    read = Recorded(str(tmp_path)).resolve(None)
    draw = random.Random(0)
    for _ in range(20):
        conversation = random_conversation(draw, option)
        assert read.encode(conversation, tokenizer) == template.encode(conversation, tokenizer)
    assert read.describe() == template.describe()


def test_a_chat_template_is_recorded_whole_and_needs_its_file_no_more(tmp_path, capsys):
    (tmp_path / "model").mkdir()
    file = tmp_path / "model" / "tokenizer_config.json"
    file.write_text(json.dumps({"chat_template": PUBLISHED["chatml"], "eos_token": "<|im_end|>"}))
    template = ChatTemplate(str(file))
    record_template(tmp_path, template)
    file.unlink()
    read = Recorded(str(tmp_path)).resolve(None)
    conversation = conversation_of(("user", "what ${oc.env:HOME}?"), ("assistant", "this"))
    tokenizer = tokenizer_of("marked")
    assert read.encode(conversation, tokenizer) == template.encode(conversation, tokenizer)
    Recorded(str(tmp_path)).resolve(
        ChatTemplate("elsewhere", source=PUBLISHED["chatml"], names={"eos_token": "<|im_end|>"})
    )
    assert capsys.readouterr().out == "", "the same, from another place"


def test_one_that_is_given_is_taken_with_a_word_where_it_is_another(tmp_path, capsys):
    record_template(tmp_path, template_of("chatml"))
    given = template_of("llama3")
    assert Recorded(str(tmp_path)).resolve(given) is given
    told = capsys.readouterr().out
    assert "start_header_id" in told
    assert "as given; the model was taught in Turns ('<|im_start|>user" in told
    Recorded(str(tmp_path)).resolve(template_of("chatml"))
    assert capsys.readouterr().out == ""


def test_where_nothing_is_recorded_it_is_a_token_for_each_role(tmp_path, capsys):
    assert record_template(tmp_path, None) == [*tmp_path.iterdir()] == []
    for path in (None, str(tmp_path), str(tmp_path / "nowhere")):
        assert isinstance(Recorded(path).resolve(None), RoleTokens)
        assert isinstance(Recorded(path).resolve(template_of("gemma")), type(template_of("gemma")))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "target",
    ["os.system", "lm.conversation.recorded.json.loads", "lm.conversation.Message", "lm.conversation.nothing", None],
)
def test_what_is_no_template_of_ours_is_refused_and_not_called(tmp_path, target):
    (tmp_path / "conversation.json").write_text(json.dumps({"_target_": target}))
    with pytest.raises(
        ValueError, match=rf"conversation\.json names {target}, which is no template of lm\.conv.*refused"
    ):
        Recorded(str(tmp_path)).resolve(None)


def test_what_is_named_is_not_even_imported(tmp_path, monkeypatch):
    (tmp_path / "strange_module.py").write_text("class Template: pass")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "conversation.json").write_text(json.dumps({"_target_": "strange_module.Template"}))
    with pytest.raises(ValueError, match=r"names strange_module\.Template, which is no template"):
        Recorded(str(tmp_path)).resolve(None)
    assert "strange_module" not in sys.modules


def test_a_template_of_ones_own_is_recorded_by_name_and_has_to_be_given(tmp_path, capsys):
    record_template(tmp_path, Mine())
    with pytest.raises(ValueError, match=r"test_recorded\.Mine, which is no template .*conversation@template="):
        Recorded(str(tmp_path)).resolve(None)
    given = Mine()
    assert Recorded(str(tmp_path)).resolve(given) is given
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", ["{", "[]", '{"_target_": "lm.conversation.Turns", "begin": ""}'])
def test_a_damaged_record_is_told_with_its_file(tmp_path, content):
    (tmp_path / "conversation.json").write_text(content)
    with pytest.raises(ValueError, match=r"conversation\.json is damaged .*: copy it anew, or remove it"):
        Recorded(str(tmp_path)).resolve(None)
