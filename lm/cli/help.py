"""What `lm` and `lm help TOPIC` print, from YAML, docstrings and README.md alone."""

import ast
from collections.abc import Sequence
from pathlib import Path

from lm.cli.columns import columns, wrapped
from lm.cli.job_help import describe_job
from lm.config.faults import did_you_mean
from lm.config.outline import config_directory, jobs

PACKAGE = Path(__file__).parents[1]
WIDTH = 100  # columns
COMMANDS = {
    "lm JOB --help": "the keys that people set, and the groups; lm JOB --help GROUP, or all, for more",
    "lm explain KEY": "what a key means, its type, its value and where it is set",
    "lm help": "pages on the parts of lm; lm help TOPIC prints one",
    "lm JOB --cfg job": "the whole config that it would run with",
    "lm JOB --config-dir DIR": "with YAML of your own beside ours",
    "lm JOB -m …": "a sweep: key=a,b runs the job with each",
    "lm --completion SHELL": 'tab completion for bash, zsh or fish: eval "$(lm --completion bash)"',
}


def list_jobs(places: Sequence[Path]) -> str:
    """Every job with a line on what it is for."""
    return "\n".join(
        [
            "lm JOB [group=option] [key=value]",
            "",
            "jobs",
            *wrapped(jobs(places).items(), columns(), indent=2),
            "",
            *wrapped(COMMANDS.items(), columns(), indent=0),
        ]
    )


def show_topic(words: Sequence[str], places: Sequence[Path]) -> str:
    """The list of topics; or the page of a topic, the tree of the code, a job's groups and keys."""
    pages, known = topics(), jobs(places)
    if not words:
        headlines = {name: _summary(page.parent / "__init__.py") for name, page in pages.items()}
        named = {
            **headlines,
            "conf": "How the YAML composes, and where your own goes",
            "tree": "All packages and modules",
        }
        return "\n".join(["lm help TOPIC", "", "topics", *_columns(named, indent=2), "", "and every job: lm help JOB"])
    topic = words[0]
    if topic == "tree":
        return tree()
    if topic not in pages and topic not in known:
        raise ValueError(f"there is no topic {topic}{did_you_mean(topic, [*pages, 'tree', *known])}")
    parts = [pages[topic].read_text(encoding="utf-8").strip()] if topic in pages else []
    parts += [describe_job(topic, places)] if topic in known else []
    return f"\n\n{'─' * WIDTH}\n\n".join(parts)


def topics() -> dict[str, Path]:
    """Each topic with its page: the README.md of a package of lm, and of conf/."""
    pages = {path.parent.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("README.md")}
    found = {("lm" if name == "." else name): path for name, path in sorted(pages.items()) if name != "conf"}
    conf = config_directory() / "README.md"
    return {**found, **({"conf": conf} if conf.is_file() else {})}


def tree(directory: Path = PACKAGE, *, indent: int = 0) -> str:
    """The packages and modules below a directory, each with the first line of its docstring."""
    rows = []
    for path in sorted(directory.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        package = path.is_dir() and (path / "__init__.py").is_file()
        if package or (path.suffix == ".py" and path.name != "__init__.py"):
            name = f"{' ' * indent}{path.name}{'/' if package else ''}"
            rows.append(f"{name:<32} {_summary(path / '__init__.py' if package else path)}".rstrip())
            rows += [tree(path, indent=indent + 2)] if package else []
    return "\n".join(rows)


def _summary(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) if file.is_file() else ""
    return next(iter((text or "").splitlines()), "")


def _columns(rows: dict[str, str], *, indent: int) -> list[str]:
    width = max([len(name) for name in rows], default=0)
    return [f"{' ' * indent}{name:<{width}}  {text}".rstrip() for name, text in rows.items()]
