"""After a job stands what to type next, if it has made something."""

from pathlib import Path

import pytest

from lm.cli.next_step import next_step
from lm.directory import Run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def node(job: str, *, finish: bool = True, **more: object) -> dict:
    run = Run(job, name="a b")
    run.open({"run": {"root": "outputs"}})
    run.finished({})
    if finish:
        run.finish(outputs=[], result={})
    run.close()
    return {"run": {"root": "outputs", "job": job, "name": "a b"}, **more}


@pytest.mark.parametrize(
    ("job", "following"),
    [
        ("tokenizer", "lm corpus 'tokenizer.path=outputs/tokenizer/a b' corpus=text 'corpus.path=my texts'"),
        ("corpus", "lm pretrain 'data.path=outputs/corpus/a b'"),
        ("pretrain", "lm generate 'model.path=outputs/pretrain/a b'"),
        ("instruct", "lm chat 'model.path=outputs/instruct/a b'"),
        ("evaluate", "open outputs/evaluate/a b/report.html in a browser"),
        ("export", ""),
    ],
)
def test_a_finished_run_is_followed_by_the_command_that_takes_it(job: str, following: str):
    words = ("lm", job, "corpus=text", "corpus.path=my texts", "tokenizer.vocab_size=300")
    assert next_step(node(job), words) == following


def test_nothing_follows_what_made_nothing():
    assert next_step(node("pretrain", finish=False), ()) == ""
    assert next_step(node("corpus", show=3), ()) == ""
    assert next_step(node("instruct", dry_run=True), ()) == ""
    assert next_step({"run": {"root": "outputs", "job": "corpus", "name": "none"}}, ()) == ""
    assert next_step({"path": "x"}, ()) == ""
