"""Runs are removed whole, and never under others."""

import shutil
import subprocess
import sys
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
    with pytest.raises(ValueError, match=r"job/b stands on job/a: keep it, or remove that too\nnothing was removed"):
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


def test_a_run_is_locked_while_it_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make("a", root=tmp_path)
    remove, said, run = shutil.rmtree, [], tmp_path / "job/a"

    def look_first(path: Path) -> None:
        ask = (
            f"from pathlib import Path; from lm.directory.lock import DirectoryLock; DirectoryLock(Path({str(run)!r}))"
        )
        asked = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
        said.append(asked.stderr.splitlines()[-1])
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", look_first)
    remove_run(found(tmp_path)["job/a"], tmp_path)
    assert len(said) == 1
    assert "is in use by process" in said[0]
    assert not found(tmp_path)


def test_a_run_that_has_changed_since_it_was_listed_stays(tmp_path: Path):
    make("a", root=tmp_path)
    listed = found(tmp_path)["job/a"]
    run = Run("job", name="a", root=str(tmp_path), restart=True)
    run.open({"run": {"root": str(tmp_path)}, "other": 1})
    run.finished({})
    run.close()
    with pytest.raises(ValueError, match="job/a has changed since it was listed"):
        remove_run(listed, tmp_path)
    assert found(tmp_path)["job/a"].manifest["config"]["other"] == 1


def test_a_run_that_others_stand_on_names_them_in_the_plural(tmp_path: Path):
    make("a", root=tmp_path)
    for name in "bcdef":
        make(name, root=tmp_path, model={"path": str(tmp_path / "job" / "a")})
    runs = found(tmp_path)
    with pytest.raises(
        ValueError, match="job/b, job/c, job/d and 2 others stand on job/a: keep it, or remove them too"
    ):
        check_removable([runs["job/a"]], [*runs.values()])
