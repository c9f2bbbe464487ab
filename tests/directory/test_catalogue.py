"""The runs below a directory: states, sizes, metrics, and which runs stand on which."""

import subprocess
import sys
from pathlib import Path

import pytest

from lm.directory import Run
from lm.directory.catalogue import catalogue, standing_on

LOCKING = """
import fcntl, sys
file = open(sys.argv[1], "a+")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def make(job: str, name: str, *, root: str = "outputs", finish: bool = True, metric=None, parent=None, **config) -> Run:
    run = Run(job, name=name, root=root)
    run.open({"run": {"root": root}, **config})
    run.finished({}, parent=parent)
    (run.directory / "out").write_bytes(b"x" * 1000)
    if finish:
        run.finish(outputs=[run.directory / "out"], result={}, metric=metric)
    run.close()
    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_run_is_found_with_its_state_metric_and_parent(here: Path):
    make("corpus", "a")
    make("pretrain", "a", metric={"name": "validation/bits_per_byte", "value": 1.51234, "mode": "min"})
    make("instruct", "deep/b", finish=False, parent={"run": "outputs/pretrain/a"})
    Path("outputs/notes").mkdir()
    found = {run.place: (run.state, run.metric, run.parent) for run in catalogue("outputs")}
    assert found == {
        "corpus/a": ("complete", "", ""),
        "instruct/deep/b": ("interrupted", "", "outputs/pretrain/a"),
        "pretrain/a": ("complete", "1.512 bits_per_byte", ""),
    }


def test_the_size_of_a_run_leaves_out_the_runs_below_it(here: Path):
    make("study", "s")
    make("pretrain", "a", root="outputs/study/s/seed-1")
    sizes = {run.place: run.size for run in catalogue("outputs")}
    files = {run.place: sum(file.stat().st_size for file in run.directory.glob("*")) for run in catalogue("outputs")}
    inner = "study/s/seed-1/pretrain/a"
    assert sizes[inner] == files[inner]
    assert sizes["study/s"] == sum(file.stat().st_size for file in Path("outputs/study/s").glob("*") if file.is_file())


def test_a_run_that_another_process_executes_is_running_and_the_question_takes_no_lock(here: Path):
    run = make("pretrain", "a", finish=False)
    lock = run.directory / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", LOCKING, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        assert [each.state for each in catalogue("outputs")] == ["running"]
        process.stdin.close()
    assert [each.state for each in catalogue("outputs")] == ["interrupted"]
    again = Run("pretrain", name="a")
    again.open({"run": {"root": "outputs"}})
    assert not again.finished({})


def test_a_damaged_manifest_is_a_run_that_cannot_be_read(here: Path):
    run = make("pretrain", "a")
    (run.directory / "manifest.json").write_text("{")
    assert [each.state for each in catalogue("outputs")] == ["unreadable"]


@pytest.mark.parametrize("spelling", ["outputs/pretrain/a", "./outputs/pretrain/a/", "{here}/outputs/pretrain/a"])
def test_a_run_stands_on_those_that_its_config_names(spelling: str, here: Path):
    make("pretrain", "a")
    make("pretrain", "a2")
    make("instruct", "b", model={"path": spelling.format(here=here)}, data={"files": ["x", {"more": "outputs/other"}]})
    assert standing_on(catalogue("outputs")) == {"pretrain/a": ["instruct/b"], "pretrain/a2": [], "instruct/b": []}


def test_a_file_of_a_run_and_a_lineage_count_too(here: Path):
    make("corpus", "a")
    make("pretrain", "a", data={"path": "outputs/corpus/a/tokenizer.json"})
    make("instruct", "b", parent={"run": "outputs/pretrain/a"})
    found = standing_on(catalogue("outputs"))
    assert (found["corpus/a"], found["pretrain/a"]) == (["pretrain/a"], ["instruct/b"])


def test_relative_paths_start_where_the_command_was_run(here: Path, monkeypatch: pytest.MonkeyPatch):
    make("pretrain", "a")
    make("instruct", "b", model={"path": "outputs/pretrain/a"})
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert standing_on(catalogue(here / "outputs"))["pretrain/a"] == ["instruct/b"]


def test_so_do_those_of_a_run_below_a_study(here: Path, monkeypatch: pytest.MonkeyPatch):
    make("pretrain", "a")
    make("instruct", "b", root="outputs/study/s/seed-1", model={"path": "outputs/pretrain/a"})
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert standing_on(catalogue(here / "outputs"))["pretrain/a"] == ["study/s/seed-1/instruct/b"]


def test_runs_of_a_study_are_parts_of_it(here: Path):
    make("study", "s", stages={"path": "outputs/study/s/seed-1/pretrain/a"})
    make("pretrain", "a", root="outputs/study/s/seed-1")
    assert not any(standing_on(catalogue("outputs")).values())
