"""A run records the template its model was trained with; only templates of lm.conversation are ever loaded."""

import json
import random
import sys

import pytest

from lm.conversation import (
    ChatTemplate,
    Message,
    RecordedTemplate,
    RoleTokenTemplate,
    inherit_template,
    record_template,
)
from support.published_templates import PUBLISHED
from support.talks import OPTIONS, conversation_of, random_conversation, template_of, tokenizer_of


class Mine(RoleTokenTemplate):
    """A template defined outside lm.conversation."""


@pytest.mark.parametrize("option", OPTIONS)
def test_the_recorded_template_writes_the_same_tokens(tmp_path, option):
    template, tokenizer = template_of(option), tokenizer_of("marked")
    assert record_template(tmp_path, template) == [tmp_path / "conversation.json"]
    read = RecordedTemplate(str(tmp_path)).resolve(None)
    draw = random.Random(0)
    for _ in range(20):
        conversation = random_conversation(draw, option)
        assert read.encode(conversation, tokenizer) == template.encode(conversation, tokenizer)
    assert read.describe() == template.describe()


def test_a_recorded_chat_template_does_not_need_its_file(tmp_path, capsys):
    (tmp_path / "model").mkdir()
    file = tmp_path / "model" / "tokenizer_config.json"
    file.write_text(json.dumps({"chat_template": PUBLISHED["chatml"], "eos_token": "<|im_end|>"}))
    template = ChatTemplate(str(file))
    record_template(tmp_path, template)
    file.unlink()
    read = RecordedTemplate(str(tmp_path)).resolve(None)
    conversation = conversation_of(("user", "what ${oc.env:HOME}?"), ("assistant", "this"))
    tokenizer = tokenizer_of("marked")
    assert read.encode(conversation, tokenizer) == template.encode(conversation, tokenizer)
    RecordedTemplate(str(tmp_path)).resolve(
        ChatTemplate("elsewhere", source=PUBLISHED["chatml"], names={"eos_token": "<|im_end|>"})
    )
    assert capsys.readouterr().out == "", "the same, from another place"


def test_a_configured_template_wins_and_a_difference_from_the_recorded_one_is_printed(tmp_path, capsys):
    record_template(tmp_path, template_of("chatml"))
    given = template_of("llama3")
    assert RecordedTemplate(str(tmp_path)).resolve(given) is given
    line = capsys.readouterr().out
    assert line.startswith("template    TurnTemplate ('<|start_header_id|>user")
    assert "as configured; the model was trained with TurnTemplate ('<|im_start|>user" in line
    RecordedTemplate(str(tmp_path)).resolve(template_of("chatml"))
    assert capsys.readouterr().out == ""


def test_without_a_record_the_template_is_role_tokens(tmp_path, capsys):
    assert record_template(tmp_path, None) == [*tmp_path.iterdir()] == []
    for path in (None, str(tmp_path), str(tmp_path / "nowhere")):
        assert isinstance(RecordedTemplate(path).resolve(None), RoleTokenTemplate)
        assert isinstance(RecordedTemplate(path).resolve(template_of("gemma")), type(template_of("gemma")))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "lm.conversation.recorded_template.json.loads",
        "lm.conversation.Message",
        "lm.conversation.nothing",
        None,
    ],
)
def test_a_target_that_is_not_our_template_is_refused_and_not_called(tmp_path, target):
    (tmp_path / "conversation.json").write_text(json.dumps({"_target_": target}))
    with pytest.raises(ValueError, match=rf"conversation\.json names {target}, which .*conversation@template="):
        RecordedTemplate(str(tmp_path)).resolve(None)


def test_a_foreign_target_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "strange_module.py").write_text("class Template: pass")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "conversation.json").write_text(json.dumps({"_target_": "strange_module.Template"}))
    with pytest.raises(ValueError, match=r"names strange_module\.Template, which is not part of lm\.conversation"):
        RecordedTemplate(str(tmp_path)).resolve(None)
    assert "strange_module" not in sys.modules


def test_a_template_of_your_own_is_recorded_by_name_and_has_to_be_configured(tmp_path, capsys):
    record_template(tmp_path, Mine())
    with pytest.raises(ValueError, match=r"\.Mine, which is not part of lm\.conversation.*conversation@template="):
        RecordedTemplate(str(tmp_path)).resolve(None)
    given = Mine()
    assert RecordedTemplate(str(tmp_path)).resolve(given) is given
    assert capsys.readouterr().out == ""


CHATML = {  # as a run wrote it while the class was lm.conversation.turns.Turns
    "_target_": "lm.conversation.turns.Turns",
    "begin": "",
    "system": "<|im_start|>system\n{}<|im_end|>\n",
    "user": "<|im_start|>user\n{}<|im_end|>\n",
    "assistant": "<|im_start|>assistant\n{}<|im_end|>\n",
    "tool": "<|im_start|>tool\n{}<|im_end|>\n",
    "stop": "<|im_end|>",
    "stand_ins": {"<|im_start|>": "<|role|>", "<|im_end|>": "<|end_of_turn|>"},
    "system_in_user": False,
    "default_system": None,
    "alternating": False,
}


def test_records_with_the_former_class_names_still_load(tmp_path, capsys):
    file = tmp_path / "conversation.json"
    for description, option in ((CHATML, "chatml"), ({"_target_": "lm.conversation.role_tokens.RoleTokens"}, "roles")):
        file.write_text(json.dumps(description))
        assert RecordedTemplate(str(tmp_path)).resolve(None).describe() == template_of(option).describe()
        RecordedTemplate(str(tmp_path)).resolve(template_of(option))
    assert capsys.readouterr().out == "", "the same template under both names"


@pytest.mark.parametrize("content", ["{", "[]", '{"_target_": "lm.conversation.TurnTemplate", "begin": ""}'])
def test_a_damaged_record_is_refused_with_its_file_and_the_remedy(tmp_path, content):
    (tmp_path / "conversation.json").write_text(content)
    with pytest.raises(ValueError, match=r"conversation\.json is damaged .*: copy it again, or remove it"):
        RecordedTemplate(str(tmp_path)).resolve(None)


DATED = "{{ strftime_now('%d %b %Y') }}" + PUBLISHED["chatml"]


def test_chat_and_a_resumed_run_take_the_recorded_date(tmp_path, capsys):
    record_template(tmp_path, ChatTemplate("here", source=DATED, date="2026-01-31"))
    for recorded in (RecordedTemplate(str(tmp_path)), RecordedTemplate(None, resumed=str(tmp_path))):
        assert recorded.resolve(ChatTemplate("there", source=DATED)).date == "2026-01-31"
    assert RecordedTemplate(str(tmp_path)).resolve(None).date == "2026-01-31"
    assert capsys.readouterr().out == "", "the same template, from another place and on another day"


def test_a_date_that_is_set_wins_and_a_new_start_or_another_template_takes_today(tmp_path):
    record_template(tmp_path, ChatTemplate("here", source=DATED, date="2026-01-31"))
    today, path = ChatTemplate("there", source=DATED), str(tmp_path)
    assert RecordedTemplate(path).resolve(ChatTemplate("there", source=DATED, date="2026-02-01")).date == "2026-02-01"
    assert RecordedTemplate(None, resumed=path, restart=True).resolve(today) is today
    other = ChatTemplate("there", source=DATED + " ")
    assert RecordedTemplate(path).resolve(other) is other
    mood = ChatTemplate("there", source=DATED, variables={"mood": "calm"})
    assert RecordedTemplate(path).resolve(mood) is mood


def published(folder, template, **more):
    folder.mkdir(exist_ok=True)
    config = {"model_type": "qwen2", "chat_template": template, "eos_token": "<|im_end|>"} | more
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_a_published_model_is_prompted_in_its_own_template(tmp_path, capsys):
    folder = published(tmp_path / "model", PUBLISHED["chatml"])
    recorded, tokenizer = RecordedTemplate(str(folder)), tokenizer_of("marked")
    recorded.check_tuned(None)
    turns = [Message("user", "what?")]
    expected = ChatTemplate(str(folder)).prompt(turns, tokenizer)
    assert recorded.resolve(None).prompt(turns, tokenizer) == expected
    (folder / "chat_template.jinja").write_text(PUBLISHED["llama3"])
    assert recorded.resolve(None).prompt(turns, tokenizer) != expected, "chat_template.jinja precedes the config"
    assert recorded.resolve(template_of("chatml")).describe() == template_of("chatml").describe()
    assert f"ChatTemplate ('{folder}')" in capsys.readouterr().out


def test_a_run_that_trains_a_published_model_on_text_keeps_its_template(tmp_path):
    folder = published(tmp_path / "model", PUBLISHED["chatml"])
    (tmp_path / "run").mkdir()
    assert inherit_template(tmp_path / "run", folder) == [tmp_path / "run" / "conversation.json"]
    (folder / "tokenizer_config.json").unlink()
    read = RecordedTemplate(str(tmp_path / "run")).resolve(None)
    tokenizer = tokenizer_of("marked")
    assert read.stop_tokens(tokenizer)[0] == tokenizer.special_tokens["<|im_end|>"]


def test_of_several_templates_by_name_the_default_is_taken_and_none_is_guessed(tmp_path):
    named = [{"name": "rag", "template": "{{ messages }}"}, {"name": "default", "template": PUBLISHED["chatml"]}]
    folder, tokenizer = published(tmp_path / "model", named), tokenizer_of("marked")
    turns = [Message("user", "what?")]
    expected = ChatTemplate(str(published(tmp_path / "one", PUBLISHED["chatml"]))).prompt(turns, tokenizer)
    assert RecordedTemplate(str(folder)).resolve(None).prompt(turns, tokenizer) == expected
    published(folder, named[:1])
    with pytest.raises(ValueError, match=r"has chat_templates named rag and no default: save the one that is wanted"):
        RecordedTemplate(str(folder)).resolve(None)


def test_a_published_base_model_has_no_template(tmp_path):
    folder = published(tmp_path / "model", None)
    assert isinstance(RecordedTemplate(str(folder)).resolve(None), RoleTokenTemplate)
    with pytest.raises(ValueError, match="was never tuned on conversations"):
        RecordedTemplate(str(folder)).check_tuned(None)
