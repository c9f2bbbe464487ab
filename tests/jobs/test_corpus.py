"""The shards of the corpus job contain every document once, in training or held out."""

import json
import re
from pathlib import Path

import pytest
from tokenizers import normalizers

from lm.corpus import Shards, Split
from lm.directory import Run
from lm.filter import Decontaminate, Duplicates
from lm.filtering import FilteredSource
from lm.jobs.corpus import prepare_corpus
from lm.sources import JsonlSource, TextSource
from lm.tokenizer import train_bpe
from support.toy_filters import Letters, Shout

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(["text number of the line and a few words more\n"] * 9, vocab_size=280)


def opened(root) -> Run:
    run = Run("corpus", root=str(root))
    run.open({})
    return run


def written(folder: Path, texts: list[str]) -> str:
    path = folder / "corpus.jsonl"
    lines = [json.dumps({"text": text, "kind": "code" if "7" in text else "prose"}) for text in texts]
    path.write_text("\n".join(lines))
    return str(path)


def contents(run: Run, split: str, tokenizer) -> set[str]:
    streams = Shards(run.directory, split, tokenizer=tokenizer).streams.values()
    return {tokenizer.decode(stream.document(i)) for stream in streams for i in range(stream.documents)}


def test_every_document_is_in_one_split_and_stays_there_when_the_corpus_grows(tmp_path, tokenizer):
    held, trained = {}, {}
    for count in (200, 400):
        folder = tmp_path / str(count)
        folder.mkdir()
        texts = [f"text number {i}" for i in range(count)]
        run = opened(folder)
        prepare_corpus(run, JsonlSource(written(folder, texts), kind_field="kind"), lambda: tokenizer, Split(0.1))
        held[count], trained[count] = (contents(run, split, tokenizer) for split in ("validation", "train"))
        assert not held[count] & trained[count]
        assert held[count] | trained[count] == set(texts)
    assert held[200] < held[400]
    assert trained[200] < trained[400]


def test_the_job_prints_one_line_and_a_repetition_does_nothing(tmp_path, tokenizer, capsys):
    path = written(tmp_path, [f"text number {i}" for i in range(100)])
    for _ in range(2):
        run = opened(tmp_path)
        prepare_corpus(run, JsonlSource(path), lambda: tokenizer, Split(0.1))
        run.close()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("corpus      train prose ")
    assert "; validation prose " in first
    assert second.startswith("corpus      nothing to do")
    counts = run.result
    assert counts["train"]["prose"]["documents"] + counts["validation"]["prose"]["documents"] == 100
    recorded = json.loads((run.directory / "manifest.json").read_text())
    assert {"corpus.json", "tokenizer.json", "train-prose-00000.bin"} <= recorded["outputs"].keys()


def test_every_kind_of_a_tiny_corpus_has_a_held_out_document(tmp_path, tokenizer):
    path = written(tmp_path, [f"text number {i}" for i in range(20)])
    run = opened(tmp_path)
    prepare_corpus(run, JsonlSource(path, kind_field="kind"), lambda: tokenizer, Split(1e-6))
    counts = Shards(run.directory, "validation").counts
    assert {kind: count["documents"] for kind, count in counts.items()} == {"code": 1, "prose": 1}


def test_notes_of_a_source_are_printed(tmp_path, tokenizer, capsys):
    (tmp_path / "t.txt").write_bytes(b"a few w\xffrds\nmore text\n" * 200)
    source = TextSource(str(tmp_path / "t.txt"), part_size=100)
    prepare_corpus(opened(tmp_path), source, lambda: tokenizer, Split(0.1))
    assert "invalid UTF-8 byte sequences" in capsys.readouterr().out


def test_bytes_that_decoding_does_not_restore_are_reported(tmp_path, capsys):
    path = written(tmp_path, ["ﬁne and plain number 7", *(f"text {i}" for i in range(20)), "ﬁ"])
    tokenizer = train_bpe(["text"] * 9, vocab_size=280, normalizer=normalizers.NFKC())
    run = opened(tmp_path)
    prepare_corpus(run, JsonlSource(path, kind_field="kind"), lambda: tokenizer, Split(0.2))
    counts = [count for split in ("train", "validation") for count in Shards(run.directory, split).counts.values()]
    size = 24 + 3 + sum(len(f"text {i}") for i in range(20))
    assert sum(count["bytes"] for count in counts) == size - 2, "of the text read: fi has a byte less than the ligature"
    assert f"decoding does not restore {6 / size:.2%} of the bytes" in capsys.readouterr().out


def funnel_of(folder: Path, **more) -> FilteredSource:
    source = JsonlSource(written(folder, [*(f"text {i} of the line" for i in range(40)), "few", "Text 7, of the line"]))
    filters = {"letters": Letters(min_letters=5), "unique": Duplicates()}
    return FilteredSource({"lines": source}, filters=filters, directory=str(folder / "documents"))


def test_the_account_of_a_filtered_corpus_is_printed_and_saved(tmp_path, tokenizer, capsys):
    run = opened(tmp_path)
    prepare_corpus(run, funnel_of(tmp_path), lambda: tokenizer, Split(0.2))
    printed = capsys.readouterr().out
    assert re.search(r"letters +42 .*\n +too few letters +-1 .*\nunique +41 .*\n +duplicate +-1 .*\nkept +40 ", printed)
    account = json.loads((run.directory / "funnel.json").read_text())
    assert [step["step"] for step in account["steps"]] == ["letters", "unique"]
    kept = [kinds["documents"] for split in account["shards"].values() for kinds in split.values()]
    assert sum(kept) == account["steps"][-1]["documents_out"] == 40
    assert contents(run, "train", tokenizer) | contents(run, "validation", tokenizer) == {
        f"text {i} of the line" for i in range(40)
    }


def test_show_and_explain_write_nothing_and_need_no_tokenizer(tmp_path, capsys):
    prepare_corpus(opened(tmp_path), funnel_of(tmp_path), None, Split(0.2), show=1)
    assert "letters: too few letters (3 letters) corpus.jsonl:41\nfew" in capsys.readouterr().out
    prepare_corpus(opened(tmp_path), funnel_of(tmp_path), None, Split(0.2), explain="corpus.jsonl:41")
    assert "dropped: too few letters (3 letters)" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]
    with pytest.raises(ValueError, match=r"show and explain print what filters do.*corpus=funnel"):
        prepare_corpus(opened(tmp_path), TextSource(str(tmp_path / "corpus.jsonl")), None, Split(0.2), show=1)


def test_an_unreadable_line_stops_the_job_before_anything_is_written(tmp_path, tokenizer):
    path = written(tmp_path, [f"text number {i}" for i in range(100)])
    with open(path, "a") as file:
        file.write('\n{"text": "cut off')
    run = opened(tmp_path)
    with pytest.raises(ValueError, match=r"corpus\.jsonl:101 is not JSON"):
        prepare_corpus(run, JsonlSource(path, bad_lines=0), lambda: tokenizer, Split(0.1))
    assert not list(run.directory.glob("*.bin"))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data at {DATA} is not here")
def test_real_stories_become_shards_without_loss(tmp_path, tokenizer):
    source = TextSource(str(DATA / "tinystories" / "*.gz"), separator="<|endoftext|>")
    run = opened(tmp_path)
    prepare_corpus(run, source, lambda: tokenizer, Split(0.05))
    found = contents(run, "train", tokenizer) | contents(run, "validation", tokenizer)
    assert found == {document.text for document in source}


def test_tokens_are_accounted_for_by_step_and_reason(tmp_path, tokenizer):
    texts = [*(f"text {i} of the line" for i in range(40)), "few", "Text 7, of the line"]
    filters = {"letters": Letters(min_letters=5), "shout": Shout(), "unique": Duplicates()}
    source = JsonlSource(written(tmp_path, texts), kind_field="kind")
    funnel = FilteredSource({"lines": source}, filters=filters, directory=str(tmp_path / "documents"))
    run = opened(tmp_path)
    prepare_corpus(run, funnel, lambda: tokenizer, Split(0.2))

    def tokens(given: list[str]) -> int:
        return sum(len(tokenizer.encode(text)) for text in given)

    long, twice = [text for text in texts if text != "few"], texts[-1:]
    letters, shout, unique = json.loads((run.directory / "funnel.json").read_text())["steps"]
    assert (letters["tokens"], letters["tokens_out"]) == (tokens(texts), tokens(long))
    assert (shout["tokens"], shout["tokens_out"]) == (tokens(long), tokens([text.upper() for text in long]))
    assert letters["dropped"]["too few letters"]["tokens"] == tokens(["few"])
    assert unique["dropped"]["duplicate"]["tokens"] == tokens([text.upper() for text in twice])
    kept = [text.upper() for text in long if text not in twice]
    assert unique["tokens_out"] == tokens(kept) == tokens(contents_of(run, tokenizer))


def contents_of(run: Run, tokenizer) -> list[str]:
    """All texts of a corpus."""
    return [text for split in ("train", "validation") for text in contents(run, split, tokenizer)]


def test_matches_with_evaluation_items_are_saved_and_counted(tmp_path, tokenizer, capsys):
    questions = [f"how many {word} are there in the old {word} store at the end of the road" for word in "abc"]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps({"question": each}) + "\n" for each in questions))
    texts = [
        *(f"text {i} of the line" for i in range(40)),
        f"It says: {questions[2]}!",
        f"{questions[0]} {questions[2]}",
    ]
    step = Decontaminate(paths=str(tmp_path / "asked.jsonl"))
    source = JsonlSource(written(tmp_path, texts))
    funnel = FilteredSource({"lines": source}, filters={"asked": step}, directory=str(tmp_path / "documents"))
    run = opened(tmp_path)
    prepare_corpus(run, funnel, lambda: tokenizer, Split(0.2))
    found = [json.loads(line) for line in (run.directory / "found-asked.jsonl").read_text().splitlines()]
    assert [(each["document"], each["line"]) for each in found] == [
        ("corpus.jsonl:41", 3), ("corpus.jsonl:42", 1), ("corpus.jsonl:42", 3)
    ]  # fmt: skip
    assert all(each["file"].endswith("asked.jsonl") and each["run"] in texts[40] + texts[41] for each in found)
    assert "asked: 3 matches → " in capsys.readouterr().out
