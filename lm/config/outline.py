"""Groups, options and keys of a job, read from the YAML alone: help and completion do not import Hydra."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from lm.config.implied import WHEN, implied

HELP = "# --help:"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, eight times as fast where it is built


def config_directory() -> Path:
    """The directory of the YAML: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def options(group: str, places: Sequence[Path], *, job: str | None = None) -> dict[str, str]:
    """Each option of a group with the first comment of its file; files named _… are parts of others.

    An option whose comment starts with `lm JOB` is for that job alone, as an experiment is. Such options may also lie
    in folders of the group: for their job they are named `folder/name`.
    """
    files = [path for place in places for path in place.glob(f"{group}/*.yaml") if path.name[0] not in "_."]
    found = dict(sorted((path.stem, headline(path)) for path in reversed(files)))
    if not job:
        return found
    others = re.compile(rf"lm (?!{job} )")
    found = {name: text for name, text in found.items() if not others.match(text)}
    nested = [path for place in places for path in place.glob(f"{group}/*/*.yaml") if path.name[0] not in "_."]
    own = {f"{path.parent.name}/{path.stem}": headline(path) for path in reversed(nested)}
    return found | {name: text for name, text in sorted(own.items()) if text.startswith(f"lm {job} ")}


def jobs(places: Sequence[Path]) -> dict[str, str]:
    """Each job, a YAML file at the top, with its first comment."""
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


def first_keys(job: str, places: Sequence[Path]) -> list[str]:
    """The keys that `lm JOB --help` shows: of the comments `# --help: KEY KEY …` in the YAML of the job."""
    files = [path for place in places if (path := place / f"{job}.yaml").is_file()]
    lines = files[0].read_text(encoding="utf-8").splitlines() if files else []
    return [key for line in lines if line.startswith(HELP) for key in line.removeprefix(HELP).split()]


@dataclass(frozen=True)
class Setting:
    """A value that a YAML file sets, and its dotted key within that file."""

    value: object
    file: Path
    key: str

    @property
    def line(self) -> int:
        """The line of the file, from 1, that holds the key."""
        node = yaml.compose(self.file.read_text(encoding="utf-8"))
        line = 1
        for name in self.key.split("."):
            pairs = node.value if isinstance(node, yaml.MappingNode) else ()
            found = next(((key, value) for key, value in pairs if str(key.value) == name), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line


@dataclass
class Outline:
    """A job's groups and keys as its YAML files give them, in the order of composition."""

    groups: dict[str, str | None] = field(default_factory=dict)  # how a group is named → its option
    chosen_in: dict[str, Path] = field(default_factory=dict)  # group → the file that chooses its option
    settings: dict[str, list[Setting]] = field(default_factory=dict)  # dotted key → who sets it, the last one wins
    own: dict[str, object] = field(default_factory=dict)  # keys of the job itself
    inherited: dict[str, object] = field(default_factory=dict)  # keys of the options its groups have
    included: dict[str, str] = field(default_factory=dict)  # a part of the job → the config at the top that it is

    def reader(self, key: str) -> tuple[str, str]:
        """The `_target_` that is called with a key, and its parameter; "" and the key where none is."""
        parts = key.split(".")
        for end in range(len(parts) - 1, -1, -1):
            if found := self.settings.get(".".join([*parts[:end], "_target_"])):
                return str(found[-1].value), parts[end]
        return "", key


class _Reader:
    def __init__(self, places: Sequence[Path], chosen: Mapping[str, str]):
        self.places, self.chosen, self.outline = places, {**chosen}, Outline()
        self.contents: dict[Path, tuple[str | None, dict]] = {}

    def choose(self, name: str, package: str) -> None:
        """Record the options that the config `name` at `package`, and all that it includes, override.

        As in Hydra, an including config wins over an included one, and a later one over an earlier one.
        """
        file, package, folder, defaults, _ = self._opened(name, package)
        for entry in defaults:
            if _overrides(entry):
                named, _, _, option = _choice(entry, folder, package)
                if named not in self.chosen:
                    self.chosen[named], self.outline.chosen_in[named] = option, file
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
        """Follow the defaults of the config `name` at `package`, in the order of Hydra's composition."""
        file, package, folder, defaults, body = self._opened(name, package)
        for entry in defaults:
            if entry == "_self_":
                for inner, value in _leaves(body, "") if body else ():
                    key = ".".join(filter(None, [package, inner]))
                    self.outline.settings.setdefault(key, []).append(Setting(value, file, inner))
                    if not key.rpartition(".")[2].startswith("_"):
                        into[key] = value
            elif isinstance(entry, str):
                included, at = _place(entry, folder)
                place = _within(package, at, default="")
                if place and included[0] != "_" and "/" not in included:
                    self.outline.included.setdefault(place, included)
                self.read(included, place, into=into)
            elif not _overrides(entry):
                self._group(entry, file, folder, package)

    def _opened(self, name: str, package: str) -> tuple[Path, str, str, list, dict[str, object]]:
        """The file of a config, its package, the folder of its groups, its defaults, and its own keys."""
        found = [path for place in self.places if (path := place / f"{name}.yaml").is_file()]
        if found and found[0] not in self.contents:
            self.contents[found[0]] = _content(found[0])
        declared, content = self.contents[found[0]] if found else (None, {})
        if declared is not None:
            package = declared.removeprefix("_global_").removeprefix(".")
        body = {key: value for key, value in content.items() if key not in ("defaults", "hydra", WHEN)}
        defaults = content.get("defaults") or []
        if "_self_" not in defaults:
            defaults = [*defaults, "_self_"]
        return found[0] if found else Path(f"{name}.yaml"), package, name.rpartition("/")[0], defaults, body

    def _group(self, entry: dict[str, str | None], file: Path, folder: str, package: str) -> None:
        named, group, place, option = _choice(entry, folder, package)
        if group.startswith("hydra/"):
            return
        if named not in self.chosen:
            self.outline.chosen_in[named] = file
        option = self.chosen.get(named, option)
        self.outline.groups[named] = option
        for each in option if isinstance(option, list) else [option]:
            if each is not None:
                self.read(f"{group}/{each}", place, into=self.outline.inherited)


def outline(job: str, places: Sequence[Path], chosen: Mapping[str, str] | None = None) -> Outline:
    """The outline of a job with the options `chosen` by group, else those of its defaults."""
    reader = _Reader(places, {**_implied(job, places, chosen or {}), **(chosen or {})})
    reader.choose(job, "")
    reader.read(job, "", into=reader.outline.own)
    return reader.outline


def rules(job: str, places: Sequence[Path]) -> dict[str, list[str]]:
    """The keys of a job that choose options when they are given, each with the overrides that it implies."""
    files = [path for place in places if (path := place / f"{job}.yaml").is_file()]
    return _content(files[0])[1].get(WHEN) or {} if files else {}


def _implied(job: str, places: Sequence[Path], chosen: Mapping[str, str]) -> dict[str, str]:
    """The options by group that follow from the keys among `chosen`."""
    given = {key: None if value == "null" else value for key, value in chosen.items()}
    found = implied(rules(job, places), given, lambda group: options(group, places))
    return dict(each.split("=", 1) for each in found)


def _content(path: Path) -> tuple[str | None, dict]:
    """The package that a YAML file declares, and its content; empty if it is not valid YAML."""
    text = path.read_text(encoding="utf-8")
    declared = re.match(r"\s*#\s*@package\s+(\S+)", text)
    try:
        content = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError:
        content = None  # running the job reports where
    return declared and declared[1], content if isinstance(content, dict) else {}


def _overrides(entry: str | dict[str, str | None]) -> bool:
    return isinstance(entry, dict) and "override" in str(next(iter(entry))).split()


def _choice(entry: dict[str, str | None], folder: str, package: str) -> tuple[str, str, str, str | None]:
    """The name of an entry's group on the command line, its path, its package, and the option."""
    (key, option), *_ = entry.items()
    key = str(key).split()[-1]
    group, at = _place(key, folder)
    relative = group.removeprefix(f"{folder}/") if folder and not key.startswith("/") else group
    place = _within(package, at, default=relative.replace("/", "."))
    return (group if place == group.replace("/", ".") else f"{group}@{place}"), group, place, option


def _place(key: str, folder: str) -> tuple[str, str | None]:
    """The path of a config or group from the top, and the package it requests."""
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
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, body
