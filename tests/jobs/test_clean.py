"""lm clean removes by rule, and only when told."""

import os
from pathlib import Path

import pytest

from lm.directory import Run
from lm.directory.catalogue import catalogue
from lm.files import atomic_path
from lm.jobs.clean import DAY, clean


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make("corpus", "read", finish=True)
    make("corpus", "unread", finish=True)
    make("pretrain", "stopped", finish=False, config={"data": {"path": "outputs/corpus/read"}})
    make("pretrain", "recent", finish=False, age=1)


def make(job: str, name: str, *, finish: bool, age: float = 10, config: dict | None = None) -> None:
    run = Run(job, name=name)
    run.open({"run": {"root": "outputs"}, **(config or {})})
    run.finished({})
    (run.directory / "out").write_text("x")
    if finish:
        run.finish(outputs=[run.directory / "out"], result={})
    run.close()
    for file in run.directory.iterdir():
        when = file.stat().st_mtime - age * DAY
        os.utime(file, (when, when))


def places() -> list[str]:
    return [run.place for run in catalogue("outputs")]


def test_nothing_goes_until_it_is_asked_for(capsys: pytest.CaptureFixture[str]):
    before = places()
    assert [run.place for run in clean()] == ["pretrain/stopped"]
    assert places() == before
    assert "1 run, " in (said := capsys.readouterr().out)
    assert "and 0 temporary files" in said
    assert "delete=true removes them" in said


def test_old_unfinished_runs_go_and_recent_ones_stay():
    clean(delete=True)
    assert places() == ["corpus/read", "corpus/unread", "pretrain/recent"]
    assert clean(delete=True) == []


def test_complete_runs_go_by_job_where_nothing_reads_them():
    clean(unfinished=False, unread=["corpus"], delete=True)
    assert places() == ["corpus/read", "pretrain/recent", "pretrain/stopped"]
    with pytest.raises(ValueError, match="unread: outputs has no runs of corpora, only of corpus, pretrain"):
        clean(unread=["corpora"])


def test_temporary_files_of_killed_processes_go():
    whole = Path("outputs/corpus/read/other")
    with atomic_path(whole) as temporary:
        temporary.write_text("x")
    temporary.write_text("torn")  # as a kill leaves it
    os.utime(temporary, (0, 0))
    clean(delete=True)
    assert not temporary.exists()
    assert whole.exists()


def test_a_directory_that_is_not_there_is_no_clean_one():
    with pytest.raises(ValueError, match="root=output: no runs lie there"):
        clean(root="output")


def test_one_job_needs_no_list():
    assert [run.place for run in clean(unread="corpus", unfinished=False)] == ["corpus/unread"]
