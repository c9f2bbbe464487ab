"""What a job can be given, read from the YAML alone: help and completion do not wait for Hydra."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml


def config_directory() -> Path:
    """Where the YAML lies: in the wheel inside the package, in a checkout beside it."""
    package = Path(__file__).parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def options(group: str, places: Sequence[Path], *, job: str | None = None) -> dict[str, str]:
    """Each option of a group with what its first comment says; a _file is a part of others.

    One that says `lm JOB …` is for that job alone, as an experiment is.
    """
    files = [path for place in places for path in place.glob(f"{group}/*.yaml") if path.name[0] not in "_."]
    found = dict(sorted((path.stem, headline(path)) for path in reversed(files)))
    others = re.compile(rf"lm (?!{job} )") if job else None
    return {name: told for name, told in found.items() if not others or not others.match(told)}


def jobs(places: Sequence[Path]) -> dict[str, str]:
    """Each job with what its first comment says: the YAML files at the top."""
    return options(".", places)


def headline(path: Path) -> str:
    """The first comment of a YAML file that is not a directive to Hydra."""
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("#").strip()
        if not line.startswith("#"):
            return ""
        if words and not words.startswith("@package"):
            return words
    return ""


@dataclass
class Outline:
    """A job's groups (how to name one → its option) and its keys (dotted → default)."""

    groups: dict[str, str | None] = field(default_factory=dict)
    own: dict[str, object] = field(default_factory=dict)  # keys of the job itself
    inherited: dict[str, object] = field(default_factory=dict)  # keys of the options its groups have


class _Reader:
    def __init__(self, places: Sequence[Path], chosen: Mapping[str, str]):
        self.places, self.chosen, self.outline = places, {**chosen}, Outline()
        self.contents: dict[Path, tuple[str | None, dict]] = {}

    def choose(self, name: str, package: str) -> None:
        """Note what the config `name` that stands at `package`, and all that it includes, override.

        Whoever includes another has spoken before it, and who comes later before who comes earlier, as in Hydra.
        """
        package, folder, defaults, _ = self._opened(name, package)
        for entry in defaults:
            if _overrides(entry):
                named, _, _, option = _choice(entry, folder, package)
                self.chosen.setdefault(named, option)
        for entry in reversed(defaults):
            if isinstance(entry, str) and entry != "_self_":
                included, at = _place(entry, folder)
                self.choose(included, _within(package, at, default=""))
            elif isinstance(entry, dict) and not _overrides(entry):
                named, group, place, option = _choice(entry, folder, package)
                option = self.chosen.get(named, option)
                for each in option if isinstance(option, list) else [option]:
                    if each is not None:
                        self.choose(f"{group}/{each}", place)

    def read(self, name: str, package: str, *, into: dict[str, object]) -> None:
        """Follow the defaults of the config `name` that stands at `package`, as Hydra composes them."""
        package, folder, defaults, body = self._opened(name, package)
        for entry in defaults:
            if entry == "_self_":
                into.update(_leaves(body, package) if body else ())
            elif isinstance(entry, str):
                included, at = _place(entry, folder)
                self.read(included, _within(package, at, default=""), into=into)
            elif not _overrides(entry):
                self._group(entry, folder, package)

    def _opened(self, name: str, package: str) -> tuple[str, str, list, dict[str, object]]:
        """Where a config stands, the folder that its groups are in, its defaults, and its own keys."""
        found = [path for place in self.places if (path := place / f"{name}.yaml").is_file()]
        if found and found[0] not in self.contents:
            self.contents[found[0]] = _content(found[0])
        declared, content = self.contents[found[0]] if found else (None, {})
        if declared is not None:
            package = declared.removeprefix("_global_").removeprefix(".")
        body = {key: value for key, value in content.items() if key not in ("defaults", "hydra")}
        defaults = content.get("defaults") or []
        if "_self_" not in defaults:
            defaults = [*defaults, "_self_"]
        return package, name.rpartition("/")[0], defaults, body

    def _group(self, entry: dict[str, str | None], folder: str, package: str) -> None:
        named, group, place, option = _choice(entry, folder, package)
        if group.startswith("hydra/"):
            return
        option = self.chosen.get(named, option)
        self.outline.groups[named] = option
        for each in option if isinstance(option, list) else [option]:
            if each is not None:
                self.read(f"{group}/{each}", place, into=self.outline.inherited)


def outline(job: str, places: Sequence[Path], chosen: Mapping[str, str] | None = None) -> Outline:
    """The outline of a job with the options `chosen` by group, elsewhere those of its defaults."""
    reader = _Reader(places, chosen or {})
    reader.choose(job, "")
    reader.read(job, "", into=reader.outline.own)
    return reader.outline


def _content(path: Path) -> tuple[str | None, dict]:
    """The package that a YAML file declares and what it holds; of one that is no YAML nothing."""
    text = path.read_text(encoding="utf-8")
    declared = re.match(r"\s*#\s*@package\s+(\S+)", text)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = None  # running the job says where
    return declared and declared[1], content if isinstance(content, dict) else {}


def _overrides(entry: str | dict[str, str | None]) -> bool:
    return isinstance(entry, dict) and "override" in str(next(iter(entry))).split()


def _choice(entry: dict[str, str | None], folder: str, package: str) -> tuple[str, str, str, str | None]:
    """How an entry's group is named on the command line, its path, its package, and the option."""
    (key, option), *_ = entry.items()
    key = str(key).split()[-1]
    group, at = _place(key, folder)
    relative = group.removeprefix(f"{folder}/") if folder and not key.startswith("/") else group
    place = _within(package, at, default=relative.replace("/", "."))
    return (group if place == group.replace("/", ".") else f"{group}@{place}"), group, place, option


def _place(key: str, folder: str) -> tuple[str, str | None]:
    """The path of a config or group from the top, and the package it asks for."""
    path, _, at = key.partition("@")
    return (path[1:] if path.startswith("/") else f"{folder}/{path}" if folder else path), at or None


def _within(package: str, at: str | None, *, default: str) -> str:
    if at is not None and at.startswith("_global_"):
        return at.removeprefix("_global_").removeprefix(".")
    at = default if at is None else at.removeprefix("_here_").removeprefix(".")
    return ".".join(part for part in (package, at) if part)


def _leaves(body: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(body, dict) and body:
        for key, value in body.items():
            if not str(key).startswith("_"):
                yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, body
