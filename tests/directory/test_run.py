import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lm.directory import Run
from lm.directory.manifest import config_changes
from support.file_trace import FileTrace, crash_states

CONFIG = {
    "_target_": "toy.train",
    "run": {"name": "a"},
    "seed": 1,
    "model": {"dim": 8},
    "trainer": {"devices": 1},
    "budget": {"batch_tokens": 64, "rows_per_device": 2},
}


def opened(root: Path, config: dict = CONFIG, *, restart: bool = False, name: str = "a") -> Run:
    run = Run("train", name=name, root=str(root), restart=restart)
    run.open(config)
    return run


def completed(root: Path, inputs: dict[str, str] | None = None) -> Run:
    run = opened(root)
    assert not run.finished(inputs or {})
    (run.directory / "out").mkdir()
    (run.directory / "out" / "a.txt").write_text("result")
    run.finish(outputs=[run.directory / "out"], result={"loss": 0.5})
    run.close()
    return run


def test_every_output_is_on_disk_before_the_manifest_says_so(tmp_path: Path) -> None:
    with FileTrace(tmp_path) as trace:
        completed(tmp_path)
    states = [state for _, _, state in crash_states(trace)]
    complete = [state for state in states if b'"complete"' in (state.get("train/a/manifest.json") or b"")]
    assert complete
    assert all(state["train/a/out/a.txt"] == b"result" for state in complete)


def test_what_a_killed_writer_left_is_no_output(tmp_path: Path) -> None:
    run = opened(tmp_path)
    assert not run.finished({})
    out = run.directory / "out"
    out.mkdir()
    for name in ("a.txt", ".metadata", ".a.0a1b2c3d.txt", ".b.c.0a1b2c3d", ".plain-0a1b2c3d"):
        (out / name).write_text("content")
    run.finish(outputs=[out], result={})
    assert sorted(Run.made(run.directory)) == ["out/.metadata", "out/.plain-0a1b2c3d", "out/a.txt"]
    assert len([*out.iterdir()]) == 3


def test_a_run_lies_at_root_job_name(tmp_path: Path) -> None:
    assert Run("train", name="a/b", root=str(tmp_path)).directory == tmp_path / "train" / "a" / "b"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc", "", ".", "a//b", "a/", "./a"])
def test_a_name_cannot_leave_its_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"run\.name="):
        Run("train", name=name, root=str(tmp_path))
    with pytest.raises(ValueError, match=r"run\.job="):
        Run(name, root=str(tmp_path))


def test_a_finished_run_has_nothing_to_do_and_remembers_its_result(tmp_path: Path) -> None:
    completed(tmp_path, {"corpus": "x"})
    run = opened(tmp_path)
    assert run.finished({"corpus": "x"})
    assert run.result == {"loss": 0.5}


@pytest.fixture
def read_only(monkeypatch):
    """A disk on which nothing can be written, for users with all rights too."""

    def refuse(path: Path, *rest: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def start() -> None:
        monkeypatch.setattr("lm.directory.run.open", refuse, raising=False)
        monkeypatch.setattr("lm.directory.run.write_atomically", refuse)

    return start


def test_a_complete_run_on_a_read_only_disk_has_nothing_to_do(tmp_path: Path, read_only) -> None:
    completed(tmp_path, {"corpus": "x"})
    read_only()
    assert opened(tmp_path).finished({"corpus": "x"})
    with pytest.raises(ValueError, match="exists with another config"):
        opened(tmp_path, {**CONFIG, "seed": 2}).finished({"corpus": "x"})
    with pytest.raises(OSError, match="Read-only"):
        opened(tmp_path, restart=True).finished({"corpus": "x"})


def test_an_unfinished_run_on_a_read_only_disk_is_refused(tmp_path: Path, read_only) -> None:
    begun(tmp_path)
    read_only()
    with pytest.raises(OSError, match="Read-only"):
        opened(tmp_path).finished({})


def test_a_complete_run_is_not_written_to(tmp_path: Path) -> None:
    run = completed(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in run.directory.rglob("*") if path.name != ".lock"}
    assert opened(tmp_path, {**CONFIG, "trainer": {"devices": 4}}).finished({})
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_identity_follows_config_and_inputs_and_neither_name_nor_place(tmp_path: Path) -> None:
    def of(root: str, config: dict, inputs: dict, name: str = "a") -> str:
        run = opened(tmp_path / root, config, name=name)
        run.finished(inputs)
        assert Run.recorded_identity(run.directory) == run.identity
        return run.identity

    first = of("1", {**CONFIG, "data": {"path": "here"}}, {"data": "x"})
    assert of("2", {**CONFIG, "data": {"path": "there"}, "trainer": {"devices": 2}}, {"data": "x"}, "b") == first
    assert len({first, of("3", {**CONFIG, "seed": 2}, {"data": "x"}), of("4", CONFIG, {"data": "y"})}) == 3
    assert Run.recorded_identity(tmp_path) is None


def test_a_started_run_resumes_under_the_same_config(tmp_path: Path) -> None:
    begun(tmp_path)
    run = opened(tmp_path)
    assert not run.finished({})
    assert (run.directory / "half").read_text() == "kept"


def begun(root: Path) -> None:
    """A run that was broken off on its way."""
    run = opened(root)
    assert not run.finished({})
    (run.directory / "half").write_text("kept")
    run.close()


def test_a_run_that_was_refused_at_once_does_not_hold_its_name(tmp_path: Path) -> None:
    run = opened(tmp_path)
    assert not run.finished({"corpus": "x"})
    run.close()
    run = opened(tmp_path, {**CONFIG, "seed": 2})
    assert not run.finished({"corpus": "y"})
    assert json.loads((tmp_path / "train/a/manifest.json").read_text())["config"]["seed"] == 2


def test_another_config_is_refused_with_each_differing_key_and_the_remedy(tmp_path: Path) -> None:
    begun(tmp_path)
    other = {**CONFIG, "seed": 2, "model": {"dim": 16, "bias": True}}
    with pytest.raises(ValueError, match="exists with another config") as refusal:
        opened(tmp_path, other).finished({})
    message = str(refusal.value)
    assert "seed: 1 → 2" in message
    assert "model.dim: 8 → 16" in message
    assert "model.bias: (absent) → true" in message
    assert "run.name" in message
    assert "run.restart=true" in message
    manifest = json.loads((tmp_path / "train/a/manifest.json").read_text())
    assert manifest["config"]["seed"] == 1


def test_a_run_of_an_earlier_version_is_named_as_such(tmp_path: Path) -> None:
    run = opened(tmp_path, {**CONFIG, "data": {"_target_": "lm.gone.Data", "most": 5}, "plan": False})
    assert not run.finished({})
    (run.directory / "half").touch()
    run.close()
    now = {**CONFIG, "data": {"_target_": "lm.directory.Run", "max_rows": 5}}
    with pytest.raises(ValueError, match=r"was made by an earlier version of lm(?s:.*)run\.restart=true"):
        opened(tmp_path, now).finished({})
    with pytest.raises(ValueError, match="exists with another config"):
        opened(tmp_path, {**now, "seed": 2}).finished({})


def test_how_a_run_is_executed_may_change(tmp_path: Path) -> None:
    begun(tmp_path)
    how = {**CONFIG, "trainer": {"devices": 2}, "budget": {"batch_tokens": 64, "rows_per_device": 1}}
    run = opened(tmp_path, {**how, "run": {"name": "a", "restart": False}, "logger": {"x": 1}})
    assert not run.finished({})
    assert json.loads((run.directory / "config.json").read_text())["trainer"] == {"devices": 2}


def test_an_execution_key_of_a_part_that_is_not_a_job_decides() -> None:
    assert config_changes({"run": {}, "model": {"trainer": 1}}, {"run": {}, "model": {"trainer": 2}})
    assert config_changes({"run": {}, "model": {"run": "a"}}, {"run": {}, "model": {"run": "b"}})


def test_execution_keys_of_a_stage_of_a_pipeline_may_change_too() -> None:
    def config(**changed: object) -> dict:
        return {"run": {}, "pretrain": {"run": {"name": "x"}, "trainer": 1, "seed": 1, **changed}}

    assert not config_changes(config(), config(trainer=2, run={"name": "y"}))
    assert config_changes(config(), config(seed=2)) == {"pretrain.seed": ("1", "2")}


def test_restart_empties_the_directory(tmp_path: Path) -> None:
    completed(tmp_path)
    run = opened(tmp_path, {**CONFIG, "seed": 2}, restart=True)
    assert not run.finished({})
    assert not (run.directory / "out").exists()


def test_nothing_is_touched_before_all_inputs_are_found(tmp_path: Path) -> None:
    completed(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    opened(tmp_path, {**CONFIG, "seed": 2}, restart=True).close()
    opened(tmp_path, name="b").close()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_restart_spares_the_runs_of_a_sweep_below(tmp_path: Path) -> None:
    completed(tmp_path)
    below = opened(tmp_path, name="a/seed=2")
    assert not below.finished({})
    below.close()
    assert not opened(tmp_path, restart=True).finished({})
    assert (below.directory / "manifest.json").exists()


def test_restart_does_not_empty_a_directory_that_is_not_a_run(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "thesis.tex").write_text("dear")
    with pytest.raises(ValueError, match="not a run"):
        opened(tmp_path, restart=True).finished({})
    assert (tmp_path / "train" / "a" / "thesis.tex").exists()


def test_a_run_without_its_manifest_is_refused(tmp_path: Path) -> None:
    run = completed(tmp_path)
    (run.directory / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"holds out but no manifest\.json.*move it away"):
        opened(tmp_path).finished({})


def test_changed_inputs_are_refused_by_name(tmp_path: Path) -> None:
    completed(tmp_path, {"corpus": "old", "tokenizer": "t"})
    with pytest.raises(ValueError, match=r"corpus \(old → new\).*run\.restart=true"):
        opened(tmp_path).finished({"corpus": "new", "tokenizer": "t"})


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("res")])
def test_a_missing_or_truncated_output_makes_a_run_incomplete(tmp_path: Path, damage) -> None:
    run = completed(tmp_path)
    damage(run.directory / "out" / "a.txt")
    assert not opened(tmp_path).finished({})


def test_a_fingerprint_follows_the_outputs_only(tmp_path: Path) -> None:
    first = Run.fingerprint(completed(tmp_path / "1").directory)
    assert first == Run.fingerprint(completed(tmp_path / "2", {"other": "input"}).directory)
    run = opened(tmp_path / "2", restart=True)
    assert not run.finished({})
    (run.directory / "b.txt").write_text("another")
    run.finish(outputs=[run.directory / "b.txt"], result={})
    assert first != Run.fingerprint(run.directory)


def test_only_a_finished_run_has_a_fingerprint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a run"):
        Run.fingerprint(tmp_path)
    begun(tmp_path)
    with pytest.raises(ValueError, match="not finished"):
        Run.fingerprint(tmp_path / "train" / "a")


@pytest.mark.parametrize("content", ['{"state": "comp', "", "[]", "{}"])
def test_a_torn_manifest_is_refused_and_can_be_restarted(tmp_path: Path, content: str) -> None:
    run = completed(tmp_path)
    (run.directory / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match=r"manifest\.json.*run\.restart=true"):
        opened(tmp_path).finished({})
    assert not opened(tmp_path, restart=True).finished({})


def test_a_manifest_names_versions_inputs_and_hashes(tmp_path: Path) -> None:
    manifest = json.loads((completed(tmp_path, {"corpus": "x"}).directory / "manifest.json").read_text())
    assert manifest["state"] == "complete"
    assert manifest["inputs"] == {"corpus": "x"}
    assert manifest["outputs"]["out/a.txt"]["bytes"] == 6
    assert {"python", "torch", "lightning"} <= manifest["versions"].keys()


OPEN = (
    "import json\nrun = Run('train', name='a', root='{root}')\nrun.open(json.loads('{config}'))\nrun.finished(dict())"
)


def open_elsewhere(root: Path, *, environment: dict[str, str]) -> subprocess.CompletedProcess:
    script = f"from lm.directory.run import Run\n{OPEN.format(root=root, config=json.dumps(CONFIG))}"
    environment = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)


def test_two_processes_cannot_have_one_run(tmp_path: Path) -> None:
    run = opened(tmp_path)
    assert not run.finished({})
    refused = open_elsewhere(tmp_path, environment={})
    assert f"is in use by process {os.getpid()}" in refused.stderr
    run.close()
    assert open_elsewhere(tmp_path, environment={}).returncode == 0


def test_a_forked_child_that_outlives_its_parent_does_not_keep_the_run(tmp_path: Path) -> None:
    script = (
        "import os, signal, time\nfrom lm.directory.run import Run\n"
        f"{OPEN.format(root=tmp_path, config=json.dumps(CONFIG))}\n"
        "child = os.fork()\n"
        "if not child: time.sleep(30); os._exit(0)\n"
        "print(child, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    dead = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(dead.stdout.readline())
    dead.wait()
    try:
        assert open_elsewhere(tmp_path, environment={}).returncode == 0
    finally:
        os.kill(child, 9)


def test_other_ranks_neither_lock_nor_write(tmp_path: Path) -> None:
    run = opened(tmp_path)
    assert not run.finished({})
    before = (run.directory / "manifest.json").read_text()
    other = open_elsewhere(tmp_path, environment={"LOCAL_RANK": "1"})
    assert other.returncode == 0, other.stderr
    assert (run.directory / "manifest.json").read_text() == before


def test_only_the_first_rank_compares_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other ranks may read a manifest that the first has just changed; RankConsistency compares their inputs."""
    run = opened(tmp_path)
    assert not run.finished({"data": "abc"})
    (run.directory / "tokenizer.json").touch()
    run.close()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not opened(tmp_path).finished({"data": "def"})
    monkeypatch.delenv("LOCAL_RANK")
    with pytest.raises(ValueError, match="was made from other inputs"):
        opened(tmp_path).finished({"data": "def"})
