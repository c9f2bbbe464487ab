"""Commands of a chat change what comes next, and refuse in words what they cannot do."""

import io
import json
from pathlib import Path

import pytest
import torch

from lm.conversation import Message
from lm.generation import Generator, Sampling
from lm.jobs.chat import Chat, chat
from lm.jobs.chat_commands import carry_out
from lm.jobs.side_by_side import Chats
from support.small_chat import ByteTokenizer, Letters, small_model


def talk(**changes) -> Chat:
    torch.manual_seed(0)
    settings = {"template": Letters(), "sampling": Sampling(temperature=0.7), "max_tokens": 8, "seed": 1}
    return Chat(Generator(small_model(), ByteTokenizer()), **(settings | changes))


def said(one: Chat, text: str) -> str:
    return "".join(one.reply(text))


def test_another_try_replaces_the_answer_by_another_and_the_same_again_next_time():
    one, other = talk(), talk()
    first = said(one, "hello")
    second = "".join(one.retry())
    assert first != second
    assert [turn.content for turn in one.turns] == ["hello", second]
    said(other, "hello")
    assert "".join(other.retry()) == second


def test_there_is_nothing_to_try_again_before_the_first_message():
    with pytest.raises(ValueError, match="no message to answer again"):
        talk().retry()


def test_the_system_text_is_set_shown_and_removed():
    one = talk()
    chats = Chats([one])
    assert carry_out("/system", "", chats) == "no system text"
    carry_out("/system", "be kind", chats)
    assert one.opening == [Message("system", "be kind")]
    assert "'be kind'" in carry_out("/system", "", chats)
    assert carry_out("/system", "none", chats) == "no system text"
    assert one.opening == []


def test_a_system_text_that_is_too_long_leaves_the_one_before():
    chats = Chats([talk(system="be kind"), talk(system="be kind")])
    with pytest.raises(ValueError, match="shorten it"):
        carry_out("/system", "s" * 90, chats)
    assert [chat.opening[0].content for chat in chats.conversations] == ["be kind", "be kind"]


def test_settings_change_what_comes_next():
    one = talk()
    chats = Chats([one])
    assert carry_out("/set", "temperature 0", chats) == "temperature=0"
    assert carry_out("/set", "max_tokens=3", chats) == "max_tokens=3"
    assert carry_out("/set", "top_k null", chats) == "top_k=null"
    assert (one.sampling.temperature, one.max_tokens) == (0, 3)
    assert len(said(one, "hello").encode()) <= 9
    assert carry_out("/set", "", chats).startswith("temperature=0, top_k=null")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("temperature warm", "/set temperature warm: not a number"),
        ("temperature -1", "sampling.temperature -1 is neither 0"),
        ("top_k 1.5", "not a whole number"),
        ("seed null", "not a whole number"),
        ("max_tokens 0", "max_tokens 0 is not at least 1"),
        ("temprature 1", "names are temperature, top_k"),
        ("temperature", "write /set NAME VALUE"),
        ("temperature true", "not a number"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_changes_nothing(argument: str, message: str):
    chats = Chats([talk(), talk()])
    before = carry_out("/set", "", chats)
    with pytest.raises(ValueError, match=message):
        carry_out("/set", argument, chats)
    assert carry_out("/set", "", chats) == before


def test_a_saved_conversation_goes_on_where_it_was(tmp_path: Path):
    one, other = talk(system="be kind"), talk()
    said(one, "hello")
    file = tmp_path / "talk.jsonl"
    assert f"2 messages → {file}" in carry_out("/save", str(file), Chats([one]))
    assert [turn["role"] for turn in json.loads(file.read_text())["messages"]] == ["system", "user", "assistant"]
    assert carry_out("/load", str(file), Chats([other])) == f"3 messages of {file}"
    assert (other.turns, other.opening) == (one.turns, one.opening)
    assert said(one, "more") == said(other, "more")


def test_nothing_is_overwritten(tmp_path: Path):
    file = tmp_path / "talk.jsonl"
    file.write_text("mine")
    with pytest.raises(ValueError, match="exists: name another file"):
        carry_out("/save", str(file), Chats([talk()]))
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello", "talk.jsonl:1 is not a conversation"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "the first by user"),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_no_conversation_is_refused_by_line(tmp_path: Path, content: str, message: str):
    file, one = tmp_path / "talk.jsonl", talk()
    said(one, "hello")
    turns = list(one.turns)
    file.write_text(content)
    with pytest.raises(ValueError, match=message):
        carry_out("/load", str(file), Chats([one]))
    assert one.turns == turns


def test_commands_work_from_a_pipe_and_faults_do_not_end_the_chat(capsys, monkeypatch, tmp_path: Path):
    lines = f"/retry\nhello\n/retry\n/load {tmp_path}/missing\n/set top_p 2\n/save {tmp_path}/a.jsonl\n/help\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    chat(lambda vocab_size: small_model(), ByteTokenizer(), sampling=Sampling(), template=Letters(), max_tokens=8)
    printed = capsys.readouterr().out
    for expected in (
        "(there is no message to answer again)",
        "No such file",
        "(sampling.top_p 2",
        "2 messages →",
        "/set NAME",
    ):
        assert expected in printed
    assert (tmp_path / "a.jsonl").exists()
