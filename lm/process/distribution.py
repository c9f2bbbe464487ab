"""The distribution that this package is installed from: its version, its extras and the commands that install them."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

NAME = "lightning-lm"  # the distribution `lm` of the public index is another project
DIRECTORY = Path(__file__).parents[2]  # of a checkout, if this is one
COMMAND = re.compile(rf"pip install '{NAME}\[([\w-]+)\]'")


def version() -> str:
    """The version of `lm`; `unknown` where neither a checkout nor an installed distribution says it."""
    project = _checkout()
    if project is not None:
        return project["version"]
    try:
        return distribution(NAME).version
    except PackageNotFoundError:
        return "unknown"


@cache
def commit() -> str:
    """The commit of the checkout that this is, with `-dirty` after it where files differ; empty without a checkout."""
    if not (DIRECTORY / ".git").exists():
        return ""
    command = ["git", "-C", str(DIRECTORY), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git, or none that may read it
        return ""


def extra_with(package: str) -> str | None:
    """The first extra that brings a package, by its import name; that of the tests only where no other does."""
    found = [extra for extra, name in _requirements() if re.search(rf"\b{name}\b", package)]
    return min(found, key=lambda extra: extra == "test", default=None)


def requirements() -> dict[str, list[str]]:
    """What must be installed, as `torch>=2.11,<2.14`: of the core under "", and of each extra."""
    project = _checkout()
    if project is not None:
        return {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, list[str]] = {"": []}
    try:
        required = distribution(NAME).requires or []
    except PackageNotFoundError:
        return found
    for each in required:
        extra = re.search(r"extra == ['\"]([\w-]+)", each)
        found.setdefault(extra[1] if extra else "", []).append(each.partition(";")[0].strip())
    return found


def install_command(extra: str) -> str:
    """`pip install 'lightning-lm[EXTRA]'`; in a checkout or editable install the same for its directory."""
    if _checkout() is None:
        return f"pip install '{NAME}[{extra}]'"
    if Path.cwd() == DIRECTORY:
        return f"pip install -e '.[{extra}]'"
    return f"pip install -e {shlex.quote(f'{DIRECTORY}[{extra}]')}"


def with_local_commands(text: str) -> str:
    """A text of ours, whose commands that install an extra are replaced by those that do so here."""
    return COMMAND.sub(lambda found: install_command(found[1]), text)


def _checkout() -> dict | None:
    """The table `project` of the pyproject.toml beside the package; None where there is none, as in a wheel."""
    import tomllib  # `lm` without a job does not need it

    try:
        project = tomllib.loads((DIRECTORY / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return None
    return project if project.get("name") == NAME else None


def _requirements() -> Iterator[tuple[str, str]]:
    """Each extra with the import names, as far as names tell, of the packages that it brings."""
    pairs = [(extra, each) for extra, those in requirements().items() if extra for each in those]
    for extra, requirement in pairs:
        yield extra, re.match(r"[\w-]+", requirement)[0].replace("-", "_")
