"""A run names what it was made from, back to the text, with the commands in their order."""

from pathlib import Path

import pytest

from lm.process.command import carrying_out
from lm.report.run.facts import RunFacts
from lm.report.run.lineage import ancestors, commands, lineage
from support.reported_runs import make_corpus_run, make_run


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFacts:
    monkeypatch.chdir(tmp_path)
    with carrying_out(["lm", "corpus", "corpus.path=texts/*.txt"]):
        corpus = make_corpus_run("text")
    with carrying_out(["lm", "pretrain", "run.name=base"]):
        base = make_run("base", data={"path": str(corpus)})
    with carrying_out(["lm", "instruct", "show this=1"]):
        return RunFacts(make_run("tuned", job="instruct", model={"path": str(base)}))


def test_the_chain_starts_at_the_text(tuned: RunFacts):
    assert [each.title for each in ancestors(tuned)] == ["corpus/text", "pretrain/base", "instruct/tuned"]
    html = lineage(tuned)
    assert "from texts/*.txt" in html
    assert '<a href="../../pretrain/base/report.html">pretrain/base</a>' in html


def test_commands_make_the_run_again(tuned: RunFacts):
    assert commands(tuned) == [
        "lm corpus 'corpus.path=texts/*.txt'",
        "lm pretrain run.name=base",
        "lm instruct 'show this=1'",
    ]


def test_a_run_on_another_drive_is_named_by_its_whole_address(tuned: RunFacts, monkeypatch: pytest.MonkeyPatch):
    def other_drive(*_: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("lm.report.run.lineage.os.path.relpath", other_drive)
    assert 'href="file:///' in lineage(tuned)
