"""The funnel shows what each step kept, dropped and why."""

from pathlib import Path

from lm.report.run.facts import RunFacts
from lm.report.run.flow import flow
from support.reported_runs import make_corpus_run


def test_a_bar_is_as_wide_as_what_is_kept(tmp_path: Path):
    html = flow(RunFacts(make_corpus_run("a", root=tmp_path)).funnel)
    assert 'class="kept" style="width:70.00%"' in html
    assert 'class="lost" style="width:30.00%"' in html
    assert "10 documents (1.00 kB) went in, 8 (700 B, 70.0%) came out" in html
    assert "too short: 2 documents" in html


def test_texts_of_the_corpus_are_text(tmp_path: Path):
    assert "a.txt:1: &lt;i&gt;hi" in flow(RunFacts(make_corpus_run("a", root=tmp_path)).funnel)


def test_a_corpus_without_filters_has_no_flow():
    assert flow([]) == ""
