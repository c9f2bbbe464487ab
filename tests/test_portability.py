"""What a system does not have, no job needs: modules, signals and forks of POSIX."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lm import files
from lm.directory import Run
from lm.directory import run as run_module
from lm.process import command, machine
from lm.process.signal_support import SIGNALS
from lm.sweep import job

WITHOUT = Path(__file__).parent / "support" / "without_posix.py"


def test_a_job_runs_where_fcntl_resource_forks_and_signals_are_absent(tmp_path: Path):
    text = "".join(f"The cat sat on mat {number}.\n" for number in range(200))
    (tmp_path / "text.txt").write_text(text)
    words = ["tokenizer", "tokenizer.vocab_size=300", "corpus=text", "corpus.path=text.txt", "corpus.part_size=500"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    started = [sys.executable, str(WITHOUT), *words]
    done = subprocess.run(started, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "300 tokens" in done.stdout
    assert (tmp_path / "outputs/tokenizer/default/tokenizer.json").is_file()
    assert (tmp_path / "outputs/tokenizer/default/report.html").is_file()


def test_every_signal_that_ends_a_job_exists_here():
    assert {each.name for each in SIGNALS} >= {"SIGTERM"}
    assert len({*SIGNALS}) == len(SIGNALS)


def test_a_name_that_windows_would_take_for_another_drive_or_folder_is_refused_there(monkeypatch: pytest.MonkeyPatch):
    Run("pretrain", name="a:b")  # POSIX has no such rule
    monkeypatch.setattr(run_module, "WINDOWS", True)
    for name in ("..\\..\\x", "D:x", "a?"):
        with pytest.raises(ValueError, match="must lie inside outputs"):
            Run("pretrain", name=name)


def test_the_directory_of_a_sweeps_job_has_no_sign_that_windows_refuses(monkeypatch: pytest.MonkeyPatch):
    overrides = ["data.path=C:\\a/b", "model=x"]
    assert job.sweep_name(overrides) == "data.path=C:\\a%2Fb,model=x"
    monkeypatch.setattr(job, "WINDOWS", True)
    assert job.sweep_name(overrides) == "data.path=C%3A%5Ca%2Fb,model=x"


def test_a_file_that_is_read_on_windows_is_replaced_when_the_reader_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    replace, attempts = os.replace, []

    def refuse_twice(source: Path, target: Path) -> None:
        attempts.append(target)
        if len(attempts) < 3:
            raise PermissionError(13, "the file is used by another process")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_twice)
    with pytest.raises(PermissionError):
        files.write_atomically(tmp_path / "a", "x")
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files, "PAUSES", [0, 0])
    files.write_atomically(tmp_path / "a", "x")
    assert (tmp_path / "a").read_text() == "x"
    assert [*tmp_path.iterdir()] == [tmp_path / "a"]


def test_a_command_is_written_for_the_shell_of_the_system(monkeypatch: pytest.MonkeyPatch):
    words = ["lm", "corpus", "corpus.path=my texts", "compare=[a,b]"]
    assert command.shell_line(words) == "lm corpus 'corpus.path=my texts' 'compare=[a,b]'"
    with monkeypatch.context() as context:
        context.setattr(os, "name", "nt")
        written = command.shell_line(words)
    assert written == 'lm corpus "corpus.path=my texts" compare=[a,b]'


def test_a_system_that_does_not_say_how_much_memory_a_process_held_gives_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "resource", None)
    assert machine.peak_memory() == 0
