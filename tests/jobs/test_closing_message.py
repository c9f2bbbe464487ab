"""A pipeline ends with a question of the user's own data."""

import json

import pytest

from lm.conversation.sources import PythonConversations
from lm.corpus import Split
from lm.jobs import closing_message as module
from lm.jobs.closing_message import closing_message
from support.talks import conversation_of

TALKS = [conversation_of(("user", f"Question {n}?"), ("assistant", "Yes.")) for n in range(40)]


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A directory of a corpus run, made from a source of the given class."""
    monkeypatch.setattr(module, "openings", lambda path, count: ["Once upon a time"])

    def made(target: str) -> str:
        config = {"corpus": {"_target_": "lm.filtering.FilteredSource", "sources": {"a": {"_target_": target}}}}
        (tmp_path / "manifest.json").write_text(json.dumps({"state": "complete", "config": config}))
        return str(tmp_path)

    return made


def test_conversations_of_the_user_are_asked_a_held_out_question(corpus):
    split = Split(0.2)
    held_out = [talk.messages[0].content for talk in TALKS if split.held_out(talk)]
    for target in ("lm.sources.TextSource", module.PYTHON):
        assert closing_message(corpus(target), TALKS, split) == held_out[0]
        assert closing_message(corpus(target), {"one": [], "two": TALKS}, split) == held_out[0]


def test_generated_questions_about_python_are_not_asked_about_another_text(corpus, monkeypatch, capsys):
    source = PythonConversations()
    monkeypatch.setattr(PythonConversations, "__iter__", lambda self: iter(TALKS))
    assert closing_message(corpus("lm.sources.TextSource"), source, Split(0.2)) == "Once upon a time"
    assert "the conversations are generated ones about Python" in capsys.readouterr().out
    assert closing_message(corpus(module.PYTHON), source, Split(0.2)).startswith("Question")
    assert capsys.readouterr().out == ""
