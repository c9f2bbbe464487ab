"""Tab completion: what is offered at each place, and that a shell really takes it."""

import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from lm.cli.completion import SCRIPTS, candidates
from lm.config.outline import config_directory

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))
import toy

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


def offered(*words: str, directory: Path = toy.CONF) -> list[str]:
    return candidates(words, directory)


def test_the_first_word_is_a_job() -> None:
    assert offered() == offered("") == ["both ", "greet ", "train ", "explain ", "help "]
    assert offered("tr") == ["train "]
    assert offered("x") == offered("_") == []


def test_then_come_the_groups_and_keys_of_the_job() -> None:
    assert offered("greet", "") == ["name="]
    found = offered("train", "")
    assert found[:5] == ["model=", "model/attention=", "data=", "callbacks=", "experiment="]
    assert {"seed=", "run.name=", "model.dim=", "model.attention.heads=", "data.path="} < {*found}
    assert len({*found}) == len(found)
    assert not [each for each in found if "_target_" in each or "defaults" in each]


def test_after_a_group_come_its_options() -> None:
    assert offered("train", "model=") == ["model=big ", "model=small "]
    assert offered("train", "model/attention=f") == ["model/attention=full "]
    assert offered("train", "seed=") == []


def test_the_keys_are_those_of_the_option_that_is_chosen() -> None:
    assert "model.attention.bias=" not in offered("train", "model.attention.")
    assert "model.attention.bias=" in offered("train", "model/attention=full", "model.attention.")
    assert "model.norm.esp=" not in offered("train", "model=big", "model.")


def test_options_that_an_option_chooses_elsewhere_are_followed() -> None:
    chosen = ("pretrain", "model=ladder", "budget.t")
    assert offered(*chosen, directory=config_directory()) == ["budget.tokens_per_parameter="]
    assert offered(*chosen[:1], "budget=tokens", *chosen[1:], directory=config_directory()) == ["budget.tokens="]


def test_a_stage_of_a_pipeline_has_its_groups_and_keys_under_its_name() -> None:
    found = offered("both", "first")
    assert {"first.seed=", "first.data.path=", "first.model.dim="} < {*found}
    assert offered("both", "model@first.model=s") == ["model@first.model=small "]


def test_options_of_a_group_that_is_added_are_offered() -> None:
    assert "+model@other=small " in offered("train", "+model@other=")


def test_help_takes_topics_and_explain_takes_jobs_and_keys() -> None:
    assert {"train ", "tree "} < {*offered("help", "")}
    assert offered("help", "tre") == ["tree "]
    assert offered("explain", "tr") == ["train "]
    assert offered("explain", "train", "model.attention.h") == ["model.attention.heads "]
    assert "model.dim " in offered("explain", "model.d", directory=config_directory())


def test_flags_are_offered_after_a_dash() -> None:
    assert offered("train", "--mul") == ["--multirun "]


def test_flags_may_stand_between() -> None:
    assert offered("-m", "tr") == ["train "]
    assert offered("train", "-m", "mod") == offered("train", "mod")


@pytest.mark.parametrize("flag", ["--config-dir", "-cd"])
def test_after_a_directory_of_the_users_own_its_jobs_and_options_are_offered(flag: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("# mine\n_target_: toy.Model\nwidth: 4\n")
    (tmp_path / "transfer.yaml").write_text("# mine\nrate: 1\n")
    assert offered(flag, str(tmp_path), "tr") == ["train ", "transfer "]
    assert offered(flag, str(tmp_path), "train", "model=m") == ["model=mine "]
    assert offered("train", flag, str(tmp_path), "model=mine", "model.w") == ["model.width="]
    assert offered("transfer", flag, str(tmp_path), "") == ["rate="]
    assert offered("train", flag, str(tmp_path / "nowhere"), "model=m") == []


def test_the_directory_itself_is_left_to_the_shell() -> None:
    assert offered("--config-dir", "") == offered("train", "-cd", "m") == []


def test_a_file_that_is_no_yaml_offers_nothing_and_breaks_nothing() -> None:
    assert "seed=" in offered("train", "experiment=broken", "")


def test_every_job_of_ours_offers_its_keys() -> None:
    for job in offered(directory=config_directory()):
        assert offered(job.strip(), "", directory=config_directory()), job


@pytest.mark.parametrize("shell", [shell for shell in SCRIPTS if shutil.which(shell)])
def test_each_script_is_one_that_its_shell_can_read(shell: str) -> None:
    read = subprocess.run([shell, "-n"], input=SCRIPTS[shell], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


@contextmanager
def bash(directory: Path) -> Iterator[int]:
    """A bash at a terminal, in which `lm` runs the toy jobs and is completed as a user's would be."""
    command = directory / "bin" / "lm"
    command.parent.mkdir()
    command.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"sys.path[:0] = [{str(toy.CONF.parent)!r}, {str(Path(__file__).parents[2])!r}]\n"
        "import toy\nfrom lm.cli.main import main\nsys.exit(main(directory=toy.CONF))\n"
    )
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "> "}
    process, terminal = pty.fork()
    if not process:
        os.chdir(directory)
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    try:
        typed(terminal, 'eval "$(lm --completion bash)"; echo rea""dy\n', until="ready\r\n")
        yield terminal
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def typed(terminal: int, text: str, *, until: str) -> str:
    """What the terminal shows after `text` was typed, up to `until` or the end of our patience."""
    os.write(terminal, text.encode())
    shown, end = "", monotonic() + 20
    while until not in shown:
        if not select.select([terminal], [], [], max(0, end - monotonic()))[0]:
            pytest.fail(f"{until!r} did not come after {text!r}, but {shown!r}")
        shown += os.read(terminal, 4096).decode()
    return shown


@needs_bash
def test_tab_in_bash_completes_a_job_a_group_its_option_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").touch()
    with bash(tmp_path) as terminal:
        typed(terminal, "lm gre\t", until="lm greet ")
        typed(terminal, "na\t", until="name=")
        typed(terminal, "world\n", until="hello world\r\n")
        typed(terminal, "lm train model/a\t", until="model/attention=")
        typed(terminal, "f\t", until="full ")
        typed(terminal, "data.p\t", until="data.path=")
        typed(terminal, "wor\t", until="words.txt")
        typed(terminal, " seed=5\n", until="steps, dim 8, seed 5")


def test_short_forms_of_groups_are_completed():
    assert "evaluation=blimp " in candidates(["evaluate", "evaluation=bl"], config_directory())
    assert "evaluations.blimp.max_items=" in candidates(
        ["evaluate", "evaluation=blimp", "evaluations.blimp.max"], config_directory()
    )
