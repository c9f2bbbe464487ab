"""The job trains on training documents only, once."""

from functools import partial

import pytest

from lm.corpus import Document, Source, Split
from lm.directory import Run
from lm.jobs.tokenizer import train_tokenizer
from lm.tokenizer import existing_tokenizer, load_tokenizer, train_bpe


class Words(Source):
    """Documents with a word of their own, so that a vocabulary shows which documents it was trained on."""

    def __init__(self, count: int = 60):
        self.count = count

    def __iter__(self):
        for i in range(self.count):
            word = "".join("abcdefghij"[int(digit)] for digit in f"{i * 7919:06d}") * 2
            yield Document(f"{word} " * 20, str(i), "prose" if i % 2 else "code")

    def fingerprint(self) -> str:
        return f"words {self.count}"


def opened(root, name="default") -> Run:
    run = Run("tokenizer", name=name, root=str(root))
    run.open({})
    return run


def test_the_tokenizer_never_sees_held_out_documents(tmp_path):
    train_tokenizer(opened(tmp_path), Words(), partial(train_bpe, vocab_size=5000), Split(0.2))
    tokenizer = load_tokenizer(tmp_path / "tokenizer" / "default")
    split = Split(0.2)
    counts = {document: len(tokenizer.encode(" " + document.text.split()[0])) for document in Words()}
    assert {split.held_out(document) for document in Words()} == {True, False}
    assert all(count == 1 for document, count in counts.items() if not split.held_out(document))
    assert all(count > 1 for document, count in counts.items() if split.held_out(document))


def test_the_tokenizer_does_not_see_the_single_held_out_document_of_a_tiny_corpus(tmp_path):
    train_tokenizer(opened(tmp_path), Words(), partial(train_bpe, vocab_size=5000), Split(1e-6))
    tokenizer = load_tokenizer(tmp_path / "tokenizer" / "default")
    counts = [len(tokenizer.encode(" " + document.text.split()[0])) for document in Words()]
    assert sum(count > 1 for count in counts) == 2, "one of each kind"


def test_the_job_prints_one_line_and_does_nothing_the_second_time(tmp_path, capsys):
    for _ in range(2):
        run = opened(tmp_path)
        train_tokenizer(run, Words(), partial(train_bpe, vocab_size=300), Split(0.2))
        run.close()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("tokenizer   300 tokens, ")
    assert "bytes per token, trained on 0.0 MB in" in first
    assert second.startswith("tokenizer   nothing to do")
    assert run.result["vocab_size"] == 300
    assert run.result["bytes_per_token"] > 1


def test_a_vocabulary_that_the_text_cannot_fill_is_reported(tmp_path, capsys):
    train_tokenizer(opened(tmp_path), Words(), partial(train_bpe, vocab_size=5000), Split(0.2))
    note, line = capsys.readouterr().out.splitlines()
    count = load_tokenizer(tmp_path / "tokenizer" / "default").vocab_size
    assert note.startswith(f"tokenizer   only {count} of 5000 tokens")
    assert line.startswith(f"tokenizer   {count} tokens")


def test_a_changed_corpus_is_refused_under_the_same_name(tmp_path):
    run = opened(tmp_path)
    train_tokenizer(run, Words(), partial(train_bpe, vocab_size=300), Split(0.2))
    run.close()
    with pytest.raises(ValueError, match="other inputs: corpus"):
        train_tokenizer(opened(tmp_path), Words(61), partial(train_bpe, vocab_size=300), Split(0.2))


def test_a_sample_reads_about_its_share(tmp_path):
    whole, part = opened(tmp_path, "whole"), opened(tmp_path, "part")
    train_tokenizer(whole, Words(600), partial(train_bpe, vocab_size=300), Split(0.1))
    train_tokenizer(part, Words(600), partial(train_bpe, vocab_size=300), Split(0.1), sample=0.5)
    assert 0.4 < part.result["bytes"] / whole.result["bytes"] < 0.6
    with pytest.raises(ValueError, match="sample=0 is not a share"):
        train_tokenizer(opened(tmp_path, "none"), Words(), partial(train_bpe), Split(0.1), sample=0)


def test_an_existing_tokenizer_is_copied(tmp_path, capsys):
    trained = train_bpe(["some text"], vocab_size=262)
    trained.save(tmp_path / "tokenizer.json")
    factory = partial(existing_tokenizer, path=str(tmp_path / "tokenizer.json"))
    train_tokenizer(opened(tmp_path), Words(), factory, Split(0.1))
    assert load_tokenizer(tmp_path / "tokenizer" / "default").fingerprint == trained.fingerprint
    assert "not trained" in capsys.readouterr().out
