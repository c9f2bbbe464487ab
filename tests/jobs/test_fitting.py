"""Conversations are checked before pretraining, and those about Python fit no other text."""

import json

import pytest

from lm.conversation.sources import ConversationSource, DetectedLayout, DetectedPreferences, PythonConversations
from lm.jobs.fitting import PYTHON, check_conversations


def corpus(directory, target):
    config = {"corpus": {"_target_": "lm.filtering.FilteredSource", "sources": {"a": {"_target_": target}}}}
    (directory / "manifest.json").write_text(json.dumps({"state": "complete", "config": config}))
    return str(directory)


@pytest.mark.parametrize(("target", "fits"), [(PYTHON, True), ("lm.sources.TextSource", False)])
def test_generated_conversations_about_python_fit_its_library_alone(tmp_path, target, fits):
    fit = check_conversations(str(tmp_path), PythonConversations())  # before the corpus exists
    corpus(tmp_path, target)
    assert fit() is fits
    assert check_conversations(str(tmp_path), {"one": PythonConversations()})() is fits


def test_other_conversations_fit_every_text(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "hi", "answer": "ho"}')
    given = {"python": PythonConversations(), "mine": DetectedLayout(str(tmp_path / "a.jsonl"))}
    assert check_conversations(corpus(tmp_path, "lm.sources.TextSource"), given)()


class Nothing(ConversationSource):
    """A source without a conversation."""

    notes = ("3 records had an empty answer",)

    def __iter__(self):
        return iter(())

    def fingerprint(self):
        return ""


def test_a_source_without_a_conversation_is_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"data\.conversations\.path has no conversation \(3 records had an empty"):
        check_conversations(str(tmp_path), Nothing())


def test_pairs_are_read_before_anything_is_trained(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": "hi", "chosen": "ho"}')
    with pytest.raises(ValueError, match=r"pairs\.jsonl"):
        check_conversations(str(tmp_path), PythonConversations(), DetectedPreferences(str(file)))
    file.write_text('{"prompt": "hi", "chosen": "ho", "rejected": "no"}')
    check_conversations(str(tmp_path), PythonConversations(), DetectedPreferences(str(file)))
