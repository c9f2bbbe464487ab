"""Listed words match whole, in any case and script, and nothing else does."""

import pickle

import pytest

from lm.corpus import Document, Dropped
from lm.filter import WordList
from lm.filter.word_list import WordMatcher
from support.shared_texts import DATA, documents, needs_data, novels, wikipedia

LISTED = [
    "Spam", "hot dog", "g-spot", "don't", "s&m", "c++", "$pam", "🖕", "переп", "größe", "कुत्ता", "坏词",
    "わるい", "กระดอ", "كلب", "a 坏",
]  # fmt: skip
FOUND = {
    "hot_dog": "hot dog", "_c++_": "c++", "SPAM!": "spam", "(spam)": "spam", "_spam_": "spam",
    "spam's": "spam", "a Hot  Dog": "hot dog", "hot-dog stand": "hot dog", "hot\ndog": "hot dog",
    "the g spot": "g-spot", "DON'T": "don't", "S&M club": "s&m", "C++, Java": "c++", "for $pam": "$pam",
    "ok🖕ok": "🖕", "Переп!": "переп", "GRÖSSE": "grösse", "gro\u0308ße": "grösse",
    "यह कुत्ता है": "कुत्ता", "这是坏词吗": "坏词", "とてもわるいね": "わるい", "คนกระดอนะ": "กระดอ", "يا كلب": "كلب",
    "not a 坏 one": "a 坏",
}  # fmt: skip
NOT_FOUND = [
    "spammer", "antispam", "spam1", "hot and dog", "hot. dog", "hotdog", "dog hot", "g1spot", "dont",
    "s & m", "sm", "xc++", "x$pamx", "перепись", "größer", "कुत्ताा", "坏", "坏的词", "わる", "กระ", "كلبة",
    "spaß",
]  # fmt: skip


@pytest.fixture
def listed(tmp_path):
    (tmp_path / "words.txt").write_text("\ufeff" + "\n".join(LISTED[:8]) + "\n\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text("\r\n".join(LISTED[8:]), encoding="utf-8")
    return [str(tmp_path / "words.txt"), str(tmp_path / "more.txt")]


def test_a_list_in_utf16_is_read(tmp_path, listed):
    path = tmp_path / "wide.txt"
    path.write_text("\n".join(LISTED), encoding="utf-16")
    assert WordList(path=str(path)).matcher.single == WordList(path=listed).matcher.single


@pytest.mark.parametrize(("text", "word"), FOUND.items())
def test_listed_words_are_found_in_every_script(text, word):
    assert list(WordMatcher(LISTED).count(text)[0]) == [word]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_parts_of_words_do_not_match(text):
    assert not WordMatcher(LISTED).count(text)[0]


def test_every_occurrence_is_counted():
    found, words = WordMatcher(["spam", "hot dog", "坏词"]).count("spam, spam and hot dog; hot dog 坏词坏词")
    assert found == {"spam": 2, "hot dog": 2, "坏词": 2}
    assert WordMatcher(["hot dog"]).count("hot dog, shot dog, hot doggy")[0] == {"hot dog": 1}
    assert words == 8 + 2  # the run of four characters, which is one and counts as two more


def test_a_document_is_dropped_for_listed_words(listed):
    filter = WordList(path=listed)
    kept = Document("no such words here", "x")
    assert filter(kept) is kept
    assert filter(Document("Spam and eggs and SPAM and a hot dog", "x")) == Dropped(
        "listed words", "333.3 in 1000 words: spam, hot dog"
    )


def test_both_minimums_must_be_reached(listed):
    text = Document("spam " + "egg " * 98 + "spam", "x")
    assert isinstance(WordList(path=listed, min_per_thousand=20)(text), Dropped)
    assert WordList(path=listed, min_per_thousand=20.1)(text) is text
    assert WordList(path=listed, min_distinct=2)(text) is text
    assert isinstance(WordList(path=listed, min_distinct=2)(Document("spam c++", "x")), Dropped)


def test_a_tag_is_added_once_and_the_document_kept(listed):
    filter = WordList(path=listed, tag="rude")
    once = filter(Document("spam", "x", tags=("long",)))
    assert once == Document("spam", "x", tags=("long", "rude"))
    assert filter(once) is once


def test_the_filter_can_be_pickled(listed):
    filter = WordList(path=listed)
    for text in FOUND:
        assert pickle.loads(pickle.dumps(filter))(Document(text, "x")) == filter(Document(text, "x"))


def test_bad_parameters_are_refused(listed, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("größe".encode("latin-1"))
    for options, message in (
        ({"path": []}, "filter.path is empty: name"),
        ({"path": str(tmp_path / "none.txt")}, "filter.path .* does not exist"),
        ({"path": str(tmp_path / "empty.txt")}, "filter.path .* has no words: give"),
        ({"path": str(tmp_path / "latin.txt")}, "filter.path .* is not UTF-8 .*: save it as"),
        ({"path": listed, "min_distinct": 0}, "filter.min_distinct 0 .*: give"),
        ({"path": listed, "min_per_thousand": -1}, "filter.min_per_thousand -1 .*: give"),
        ({"path": listed, "tag": ""}, "filter.tag is empty: give"),
    ):
        with pytest.raises(ValueError, match=message):
            WordList(**options)


@needs_data
def test_every_word_of_a_list_in_28_languages_is_found_by_itself():
    files = [file for file in (DATA / "ldnoobw").iterdir() if file.name.islower() or file.name.startswith("fr-")]
    filter = WordList(path=[str(file) for file in files], tag="listed")
    words = {line.strip() for file in files for line in file.read_text().splitlines() if line.strip()}
    assert len(words) > 2500
    assert [word for word in words if not filter(Document(f"-- {word} --", "x")).tags] == []


@needs_data
def test_of_encyclopedias_and_novels_only_one_with_a_hero_called_dick_is_dropped():
    filter = WordList(path=str(DATA / "ldnoobw" / "en"), min_distinct=2, min_per_thousand=2)
    given = documents([*wikipedia(), *novels()])
    [dropped] = [filter(document) for document in given if filter(document) is not document]
    assert "words: dick, " in dropped.detail
