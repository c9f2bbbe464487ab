"""What `lm` and `lm JOB --help` print."""

from collections.abc import Sequence
from pathlib import Path

from lm.config.outline import jobs, options, outline


def list_jobs(places: Sequence[Path]) -> str:
    """Every job with a line on what it is for."""
    return "\n".join(
        [
            "lm JOB [group=option] [key=value]",
            "",
            "jobs",
            *_columns(jobs(places), indent=2),
            "",
            "lm JOB --help            the groups, options and keys of a job",
            "lm JOB --cfg job         the whole config that it would run with",
            "lm JOB --config-dir DIR  with YAML of your own beside ours",
            "lm JOB -m …              a sweep: key=a,b runs the job with each",
            'lm --completion SHELL    tab completion for bash, zsh or fish: eval "$(lm --completion bash)"',
        ]
    )


def describe_job(job: str, places: Sequence[Path]) -> str:
    """A job's groups with all their options, and its own keys with what they are unless set."""
    found = outline(job, places)
    lines = [f"lm {job} [group=option] [key=value]", "", jobs(places)[job]]
    if found.groups:
        lines += ["", "groups (* what it is unless chosen)"]
    shown: set[str] = set()
    for name, option in found.groups.items():
        group = name.partition("@")[0]
        lines.append(f"  {name}={'null' if option is None else option}")
        if group not in shown:
            current = option if isinstance(option, list) else [option]
            marks = {each: "*" if each in current else " " for each in options(group, places, job=job)}
            told = {f"{marks[each]} {each}": line for each, line in options(group, places, job=job).items()}
            lines += _columns(told, indent=4)
        shown.add(group)
    if found.own:
        lines += ["", "keys (… must be given)"]
        lines += [f"  {key}={_shown(value)}" for key, value in found.own.items()]
    lines += [
        "",
        f"An option has keys of its own; all there are: lm {job} --cfg job",
    ]
    return "\n".join(lines)


def _columns(named: dict[str, str], *, indent: int) -> list[str]:
    width = max([len(name) for name in named], default=0)
    return [f"{' ' * indent}{name:<{width}}  {told}".rstrip() for name, told in named.items()]


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return "…" if value == "???" else str(value)
