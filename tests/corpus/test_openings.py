"""Prompts come from the text that a model was made for: how its held-out documents begin."""

import re

import pytest

from lm.corpus import Document, Source, Split, openings, write_shards
from lm.corpus.openings import first_words
from lm.tokenizer import train_bpe


class Texts(Source):
    def __init__(self, documents: list[Document]) -> None:
        self.documents = documents

    def fingerprint(self) -> str:
        return ""

    def __iter__(self):
        return iter(self.documents)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Once upon a time there was", "Once upon a time"),
        ("\n\n  CHAPTER I\n\nIt was", "CHAPTER I"),
        ("def add(one, other):\n    return", "def add(one, other):"),
        ("one", "one"),
        ("\ufeffThe Rosary", "The Rosary"),
        (
            "很久很久以前有一个国王他有三个女儿她们都很美丽所以大家都喜欢她们而且从来没有人见过她们",
            "很久很久以前有一个国王他",
        ),
        ("ACGT" * 50, "ACGTACGTACGT"),
        ("extraordinarily uncharacteristically long words", "extraordinarily"),
        (" \n ", ""),
        ("", ""),
    ],
)
def test_an_opening_is_a_few_words_of_the_first_line(text, words):
    assert first_words(text) == words


def corpus(directory, documents, *, share):
    tokenizer = train_bpe((document.text for document in documents), vocab_size=270)
    write_shards(Texts(documents), directory, tokenizer=tokenizer, split=Split(share), shard_tokens=10_000)
    tokenizer.save(directory / "tokenizer.json")
    return directory


def test_openings_are_those_of_held_out_documents_by_turns_of_each_kind(tmp_path):
    kinds = {"tale": "Once upon {} times. The end é.", "letter": "Dear number {}, I am well. 🙂"}
    documents = [Document(text.format(n), f"{kind} {n}", kind) for kind, text in kinds.items() for n in range(60)]
    path = corpus(tmp_path, documents, share=0.2)
    found = openings(str(path), count=5)
    split = Split(0.2)
    held_out = {first_words(each.text) for each in documents if split.held_out(each)}
    assert len(found) == len(set(found)) == 5
    assert set(found) <= held_out
    assert [each.startswith(found[0].split()[0]) for each in found] == [True, False, True, False, True]
    assert found == openings(str(path), count=5)


def test_without_held_out_documents_a_document_begins(tmp_path):
    path = corpus(tmp_path, [Document(f"Text {n}", str(n), "prose") for n in range(9)], share=0.0)
    assert openings(str(path)) == [""]


def test_of_one_long_document_lines_within_it_are_taken(tmp_path):
    lines = [f"Chapter {n} tells of a king and his {n} sons." for n in range(400)]
    text = "\n".join(lines)
    book, *_ = (each for n in range(99) if Split(0.2).held_out(each := Document(text, "book", "prose", f"book {n}")))
    note, *_ = (each for n in range(99) if not Split(0.2).held_out(each := Document(f"Note {n}.", "note", "prose")))
    path = corpus(tmp_path, [book, note], share=0.2)
    found = openings(str(path), count=4)
    assert len(found) == 4
    assert all(re.fullmatch(r"Chapter \d+ tells of", each) for each in found)
