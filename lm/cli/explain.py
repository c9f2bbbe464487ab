"""`lm explain [JOB] KEY`: what a key means, its type and default, its value, where it is set and who reads it."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from lm.config.docstrings import Definition, Parameter, alternatives, describe
from lm.config.faults import did_you_mean
from lm.config.outline import Outline, jobs, options, outline
from lm.config.short_form import full_forms

if TYPE_CHECKING:
    from lm.config.composition import Entry

WIDTH = 100  # columns
USUAL = "pretrain"  # the job whose keys are explained where none is named


def explain(words: Sequence[str], directory: Path, extra: Path | None = None) -> str:
    """The explanation of `[JOB] [group=option …] KEY`, from YAML, source files and the composed config."""
    places = [directory, *([extra] if extra else [])]
    known = jobs(places)
    if words and words[0] in known:
        words = [words[0], *full_forms(words[1:], outline(words[0], places).groups)]
    named = [word for word in words if "=" not in word and not word.startswith("~")]
    overrides = [word for word in words if word not in named]
    job = named.pop(0) if named and named[0] in known else None
    if len(named) != 1:
        raise ValueError("name one key: lm explain [JOB] [group=option …] KEY, such as lm explain pretrain model.dim")
    key = named[0].rpartition("@")[2].replace("/", ".")
    having = [job] if job else _jobs_with(key, places, overrides) or [USUAL]
    text = _explain(having[0], key, overrides, places) + ("" if job else f"\n\nas lm {having[0]} has it")
    others = f"\n\nalso a key of: {', '.join(having[1:])} (lm explain JOB {key})" if having[1:] else ""
    return text + others


def _jobs_with(key: str, places: Sequence[Path], overrides: Sequence[str]) -> list[str]:
    """The jobs whose YAML sets the key, the usual one first."""
    found = [job for job in jobs(places) if _sets(outline(job, places, _chosen(overrides)), key)]
    return sorted(found, key=lambda job: job != USUAL)


def _sets(found: Outline, key: str) -> bool:
    return any(each == key or each.startswith(f"{key}.") for each in [*found.settings, *map(_place, found.groups)])


def _options_with(key: str, found: Outline, job: str, overrides: Sequence[str], places: Sequence[Path]) -> list[str]:
    """Options of the groups around a key under which the job has it."""
    around = [group for group in found.groups if key.startswith(f"{_place(group)}.")]
    choices = [(group, option) for group in around for option in options(group.partition("@")[0], places, job=job)]
    having = [each for each in choices if _sets(outline(job, places, {**_chosen(overrides), each[0]: each[1]}), key)]
    return [f"{group}={option}" for group, option in having]


def _chosen(overrides: Sequence[str]) -> dict[str, str]:
    return dict(each.lstrip("+").split("=", 1) for each in overrides if "=" in each)


def _place(group: str) -> str:
    """The key at which a group's option stands."""
    return group.rpartition("@")[2].replace("/", ".")


def _explain(job: str, key: str, overrides: Sequence[str], places: Sequence[Path]) -> str:
    from lm.config.composition import Composition, entry

    found = outline(job, places, _chosen(overrides))
    composition = Composition(job, directory=places[0], extra=next(iter(places[1:]), None))
    config = composition.compose(overrides)
    here = entry(config, key)
    definition = describe(here.reader) if here.reader else None
    parameter = (definition.parameters if definition else {}).get(here.parameter)
    if not here.exists and not (parameter and key.endswith(parameter.name)):
        having = _options_with(key, found, job, overrides, places)
        elsewhere = " or ".join(having[:3]) + (", for example," if having[3:] else "")
        top = [str(each) for each in config if each != "hydra"]
        remedy = f"; set {elsewhere} to have it" if elsewhere else did_you_mean(key, [*_keys(found), *top])
        raise ValueError(f"lm {job} has no key {key}{remedy}")
    group = next((each for each in found.groups if _place(each) == key), None)
    lines = [f"{key}{_value(here)}"]
    if parameter and parameter.text:
        lines += ["", *wrap(parameter.text, WIDTH, initial_indent="  ", subsequent_indent="  ")]
    facts = {**_signature(parameter), "set": _where(key, found, overrides, group, exists=here.exists)}
    if here.reader:
        facts["read by"] = f"{here.reader}{_file(definition)}"
    lines += ["", *(f"  {label:<9} {text}" for label, text in facts.items() if text)]
    lines += _options(job, group, found, places) if group else []
    return "\n".join([*lines, *(_part(here.value, group=group) if isinstance(here.value, dict) else ())])


def _keys(found: Outline) -> list[str]:
    """All keys of a job, groups and parts included."""
    keys = [key for key in [*found.settings, *map(_place, found.groups)] if not key.rpartition(".")[2].startswith("_")]
    return list(dict.fromkeys([*keys, *(key.rpartition(".")[0] for key in keys if "." in key)]))


def _value(here: "Entry") -> str:
    """` = value` of a scalar or list, with the interpolation that gives it; "" of a part."""
    if not here.exists or here.written == "???":
        return " (must be given)" if here.exists else " (not in the YAML)"
    interpolated = isinstance(here.written, str) and here.written != here.value
    if isinstance(here.value, dict) and here.value:
        return f" = {here.written}" if interpolated else ""
    return f" = {_plain(here.value)}{f' (from {here.written})' if interpolated else ''}"


def _plain(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def _signature(parameter: Parameter | None) -> dict[str, str]:
    if parameter is None:
        return {}
    default = {None: "none", "None": "null", "True": "true", "False": "false"}
    return {"type": parameter.type, "default": default.get(parameter.default, parameter.default or "")}


def _where(key: str, found: Outline, overrides: Sequence[str], group: str | None, *, exists: bool) -> str:
    """Who sets the key last: the command line, or a line of a YAML file; and whom that replaces."""
    typed = [each for each in overrides if each.lstrip("+~").partition("=")[0] in (key, group)]
    files = [
        f"{_short(each.file)}:{each.line} ({_plain(each.value)})"
        for each in found.settings.get(key) or found.settings.get(f"{key}._target_", ())
    ]
    if group and (file := found.chosen_in.get(group)):
        files.insert(0, _short(file))
    setters = [*files, *(f"command line: {each}" for each in typed)]
    if not setters:
        return "" if exists else f"nowhere; the default applies unless +{key}=… is added"
    *before, last = setters
    return f"{last}{', over ' + ', '.join(reversed(before)) if before else ''}"


def _short(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _file(definition: Definition | None) -> str:
    return f"  {_short(definition.file)}:{definition.line}" if definition else ""


def _options(job: str, group: str, found: Outline, places: Sequence[Path]) -> list[str]:
    """The options of a group, the current one marked."""
    current = found.groups[group]
    chosen = current if isinstance(current, list) else [current]
    named = options(group.partition("@")[0], places, job=job)
    width = max(map(len, named), default=0)
    rows = [f"  {'*' if name in chosen else ' '} {name:<{width}}  {text}".rstrip() for name, text in named.items()]
    return ["", f"options of the group {group}", *rows]


def _part(node: dict, *, group: str | None) -> list[str]:
    """What a part builds, its parameters, and what may stand in its place."""
    target = str(node.get("_target_") or "")
    definition = describe(target) if target else None
    if definition is None:
        return ["", f"builds {target}"] if target else ["", f"keys: {', '.join(map(str, node))}"]
    lines = ["", f"builds {target}{_file(definition)}", f"  {definition.summary}"]
    for name, each in definition.parameters.items():
        text = f"{name}: {each.text}" if each.text else name
        lines += wrap(text, WIDTH, initial_indent="  ", subsequent_indent=" " * 6)
    others = {} if group else alternatives(target)
    if others:
        lines += ["", "in its place (_target_)"]
        for name, summary in others.items():
            lines += wrap(f"{name}: {summary}", WIDTH, initial_indent="  ", subsequent_indent=" " * 6)
    return lines
