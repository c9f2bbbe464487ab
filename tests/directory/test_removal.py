"""Runs are removed whole, and never under others."""

import shutil
from pathlib import Path

import pytest

from lm.directory import Run
from lm.directory.catalogue import catalogue
from lm.directory.removal import check_removable, remove_run


def make(name: str, *, root: Path, **config) -> None:
    run = Run("job", name=name, root=str(root))
    run.open({"run": {"root": str(root)}, **config})
    run.finished({})
    (run.directory / "folder").mkdir()
    (run.directory / "folder" / "file").write_text("x")
    run.finish(outputs=[run.directory / "folder"], result={})
    run.close()


def found(root: Path) -> dict:
    return {run.place: run for run in catalogue(root)}


def test_a_run_goes_with_the_directories_that_are_empty_then(tmp_path: Path):
    make("a/b", root=tmp_path)
    make("c", root=tmp_path)
    remove_run(found(tmp_path)["job/a/b"], tmp_path)
    assert [*found(tmp_path)] == ["job/c"]
    assert not (tmp_path / "job" / "a").exists()
    remove_run(found(tmp_path)["job/c"], tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_runs_and_records_of_a_sweep_below_a_run_stay(tmp_path: Path):
    make("a", root=tmp_path)
    make("a/inner", root=tmp_path)
    (tmp_path / "job/a/summary.csv").write_text("kept")
    remove_run(found(tmp_path)["job/a"], tmp_path)
    assert [*found(tmp_path)] == ["job/a/inner"]
    assert (tmp_path / "job/a/summary.csv").read_text() == "kept"


def test_a_run_that_another_one_stands_on_is_refused_unless_both_go(tmp_path: Path):
    make("a", root=tmp_path)
    make("b", root=tmp_path, model={"path": str(tmp_path / "job" / "a")})
    runs = found(tmp_path)
    with pytest.raises(ValueError, match=r"job/b stand on job/a: keep it, or remove them too\nnothing was removed"):
        check_removable([runs["job/a"]], [*runs.values()])
    check_removable([*runs.values()], [*runs.values()])


def test_a_removal_that_was_killed_leaves_no_run_that_looks_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make("a", root=tmp_path)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_run(found(tmp_path)["job/a"], tmp_path)
    assert found(tmp_path)["job/a"].state == "interrupted"
    remove_run(found(tmp_path)["job/a"], tmp_path)
    assert not found(tmp_path)
