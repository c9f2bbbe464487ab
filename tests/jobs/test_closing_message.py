"""A pipeline ends with questions of the user's own data."""

import json
from dataclasses import replace

import pytest

from lm.conversation.sources import PythonConversations
from lm.corpus import Split
from lm.jobs import closing_message as module
from lm.jobs.closing_message import FREE, closing_messages
from lm.jobs.fitting import PYTHON
from support.talks import conversation_of

TALKS = [conversation_of(("user", f"Question {n}?"), ("assistant", "Yes.")) for n in range(40)]


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A directory of a corpus run, made from a source of the given class."""
    monkeypatch.setattr(module, "openings", lambda path, count: ["Once upon a time"][:count])

    def made(target: str) -> str:
        config = {"corpus": {"_target_": "lm.filtering.FilteredSource", "sources": {"a": {"_target_": target}}}}
        (tmp_path / "manifest.json").write_text(json.dumps({"state": "complete", "config": config}))
        return str(tmp_path)

    return made


def test_conversations_of_the_user_are_asked_a_held_out_question(corpus):
    split = Split(0.2)
    held_out = [talk.messages[0].content for talk in TALKS if split.held_out(talk)]
    for target in ("lm.sources.TextSource", PYTHON):
        assert closing_messages(corpus(target), TALKS, split) == held_out[:1]
        assert closing_messages(corpus(target), {"one": [], "two": TALKS}, split) == held_out[:1]
    assert closing_messages(corpus(PYTHON), [], split) == ["Hello!"]


def test_each_question_is_of_another_task_the_most_frequent_ones_first(corpus):
    tasks = ["rare", "some", "most", "some", "most", "most"]
    split = Split(0.5)
    talks = [replace(talk, task=task) for talk, task in zip(filter(split.held_out, TALKS), tasks, strict=False)]
    asked = closing_messages(corpus(PYTHON), talks, split)
    assert asked == [talks[2].messages[0].content, talks[1].messages[0].content]


def test_generated_questions_about_python_are_not_asked_about_another_text(corpus, monkeypatch, capsys):
    source = PythonConversations()
    monkeypatch.setattr(PythonConversations, "__iter__", lambda self: iter(TALKS))
    assert closing_messages(corpus("lm.sources.TextSource"), source, Split(0.2)) == ["Once upon a time"]
    assert "the conversations are generated ones about Python" in capsys.readouterr().out
    question, free = closing_messages(corpus(PYTHON), source, Split(0.2))
    assert question.startswith("Question")
    assert free == FREE
    assert capsys.readouterr().out == ""
