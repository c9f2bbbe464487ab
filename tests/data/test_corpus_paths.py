"""What is no corpus is refused with the commands that make one."""

import re
from pathlib import Path

import pytest

from lm.cli.main import main
from lm.data.corpus_paths import check_corpora


def message(path: str) -> str:
    with pytest.raises(FileNotFoundError, match=r"^data\.path: ") as refused:
        check_corpora([Path(path)])
    return str(refused.value)


def test_a_missing_directory_is_told_by_its_path():
    assert "no corpus at outputs/corpus/none: lm tokenizer and then lm corpus run.name=none" in message(
        "outputs/corpus/none"
    )


def test_another_run_is_no_corpus(tmp_path):
    (tmp_path / "manifest.json").touch()
    assert "is a run without a finished corpus" in message(str(tmp_path))


def test_records_name_their_reader(tmp_path):
    (tmp_path / "a.jsonl").touch()
    told = message(f"{tmp_path}/a.jsonl")
    assert f"lm corpus run.name=a corpus=jsonl corpus.path={tmp_path}/a.jsonl" in told
    assert "text=" not in told


@pytest.mark.parametrize("path", ["my.txt", "books"])
def test_the_commands_for_a_text_work_when_they_are_copied(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("books").mkdir()
    for file in ("my.txt", "books/one.txt"):
        Path(file).write_text("it was a dark and stormy night\n" * 60)
    with pytest.raises(SystemExit, match="2"):
        main(["pretrain", f"data.path={path}"])
    told = capsys.readouterr().err
    assert f"lm pipeline name={path.partition('.')[0]} text={path}" in told
    tokenizer, corpus, pretrain = re.findall(r"lm ((?:tokenizer|corpus|pretrain) [^;]*)", told)
    assert main([*tokenizer.split(), "tokenizer=bytes"]) == 0
    assert main(corpus.split()) == 0
    assert main([*pretrain.split(), "model=nano", "dry_run=true"]) == 0
