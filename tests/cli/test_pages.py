"""Every package has a page that people can read, whose commands run, and that `lm help` prints."""

import re
import shlex
from pathlib import Path

import pytest

from lm.cli.help import PACKAGE, show_topic, topics, tree
from lm.cli.main import main
from lm.config.command import faults_of
from lm.config.outline import config_directory, jobs, outline
from lm.config.overrides import quoted_as_needed
from lm.config.short_form import full_forms
from support.compositions import composition

CONF = config_directory()
ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
PAGES = [ROOT / "README.md", *topics().values()]
# What a command leaves to the person who types it.
MUST_BE_GIVEN = re.compile(r"([\w.]*): missing: set \1=…|cannot be resolved")


def commands(page: Path) -> list[str]:
    """The lines that begin with `lm` in the bash blocks of a page, continued lines joined."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if re.match(r"lm\b", line)]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_a_page(package: str) -> None:
    assert (PACKAGE / package / "README.md").is_file()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_is_at_most_120_lines_of_100_columns(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert len(lines) <= (130 if page.parent == ROOT else 120)
    assert [line for line in lines if len(line) > 100] == []


@pytest.mark.parametrize(
    "command", [pytest.param(each, id=f"{name(page)}: {each}") for page in PAGES for each in commands(page)]
)
def test_commands_of_the_pages_compose_without_faults(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command, comments=True)[1:]
    job, *overrides = [word for word in words if not word.startswith("-")] or [""]
    if job not in jobs([CONF]) or "--help" in words or "--cfg" in words:
        assert main(words) == 0, capsys.readouterr().err
        return
    multirun = "-m" in words or "--multirun" in words
    here, overrides = composition(job), full_forms(overrides, outline(job, [CONF]).groups)
    overrides = [quoted_as_needed(here, each, multirun=multirun) for each in overrides]
    found = map(str, faults_of(here, overrides, multirun=multirun))
    assert [fault for fault in found if not MUST_BE_GIVEN.search(fault)] == []


def test_help_lists_the_topics_and_prints_a_page() -> None:
    listed = show_topic([], [CONF])
    for topic in [*topics(), "tree"]:
        assert f"  {topic} " in listed
    for topic, page in topics().items():
        assert show_topic([topic], [CONF]).startswith(page.read_text().strip())


def test_help_of_a_word_that_is_job_and_topic_prints_both() -> None:
    both = [topic for topic in topics() if topic in jobs([CONF])]
    for topic in both:
        assert f"lm {topic} [group=option] [key=value]" in show_topic([topic], [CONF])


def test_an_unknown_topic_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match="there is no topic tre; did you mean tree"):
        show_topic(["tre"], [CONF])


def test_the_tree_has_a_line_for_every_module() -> None:
    printed = tree()
    for path in PACKAGE.rglob("*.py"):
        if "plugins" not in path.parts and path.name != "__init__.py":
            assert re.search(rf"^ *{re.escape(path.name)} +\S", printed, re.MULTILINE), path


def test_first_lines_of_modules_are_short_enough_for_the_tree() -> None:
    long = [line for line in tree().splitlines() if len(line[33:]) > 120]
    assert long == []
