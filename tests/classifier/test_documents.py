"""Labelled texts are documents of two kinds, held out by their text or group."""

import pytest

from lm.classifier import LabelledDocuments, LabelledTexts


def test_the_kind_says_the_label(tmp_path):
    (tmp_path / "a.csv").write_text("text,toxic,templ\nyou fool,1,3\nhello,0,4\nhello,0,4\n")
    texts = LabelledTexts(str(tmp_path / "a.csv"), group_field="templ")
    documents = LabelledDocuments(texts)
    assert [(each.text, each.kind) for each in documents] == [("you fool", "toxic"), ("hello", "harmless")]
    assert [each.key for each in documents] == [each.key for each in texts]
    assert documents.notes == texts.notes != ()
    other = LabelledDocuments(texts, kinds=("bad", "good"))
    assert [each.kind for each in other] == ["bad", "good"]
    assert other.fingerprint() != documents.fingerprint()


def test_no_file_and_equal_kinds_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name a file of labelled texts"):
        LabelledDocuments(LabelledTexts())
    with pytest.raises(ValueError, match="give two different kinds"):
        LabelledDocuments(LabelledTexts("a.csv"), kinds=("a", "a"))
