"""What `lm JOB --help` prints, from YAML and docstrings alone: a screen on the job, a part in full, or everything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap

from lm.cli.columns import as_typed, columns, table, wrapped
from lm.config.docstrings import Parameter, describe
from lm.config.faults import did_you_mean
from lm.config.outline import Outline, first_keys, jobs, options, outline

MOST = 12  # keys of a screen, where the YAML of a job names none
INTERPOLATIONS = 4  # each inside the value of the one before, at most
ALL = "all"
NO_OPTION = "only your own: see lm help conf"


def describe_job(job: str, places: Sequence[Path], words: Sequence[str] = ()) -> str:
    """One screen on a job; or, of each part that is named, its options, and its keys with their meaning.

    Args:
        job: Name of the job.
        places: Directories of the YAML.
        words: Parts: `all`, a group, a key, or a dotted prefix of keys; and overrides, by which options are chosen.

    Raises:
        ValueError: The job has no such part, option or key; the message has the nearest.
    """
    chosen = dict(word.lstrip("+").split("=", 1) for word in words if "=" in word)
    asked = [word for word in words if "=" not in word]
    page = _Page(job, places, outline(job, places, chosen))
    page.choose(chosen)
    return "\n\n".join(map(page.part, asked)) if asked else page.screen()


def parts(found: Outline) -> list[str]:
    """What `lm JOB --help` takes: groups by their places, and whatever else holds keys."""
    keys = [*found.own, *found.inherited]
    nodes = [key[:end] for key in keys for end in range(len(key)) if key[end] == "."]
    return list(dict.fromkeys([*map(_place, found.groups), *nodes]))


def _known(group: str, places: Sequence[Path], job: str) -> dict[str, str]:
    """The options that a group has for any job, and those in its folders for this one."""
    return options(group, places) | options(group, places, job=job)


class _Page:
    def __init__(self, job: str, places: Sequence[Path], found: Outline):
        self.job, self.places, self.found, self.width = job, places, found, columns()
        self.keys = {**found.inherited, **found.own}

    def choose(self, chosen: Mapping[str, str]) -> None:
        """Check the options that were chosen, and take the values."""
        for name, value in chosen.items():
            known = _known(name.partition("@")[0], self.places, self.job) if name in self.found.groups else {}
            if name in self.found.groups and value != "null" and value not in known:
                raise ValueError(f"{name}={value}: there is no such option{did_you_mean(value, known)}")
            if name not in self.found.groups and name not in self.keys:
                near = did_you_mean(name, [*self.found.groups, *self.keys])
                raise ValueError(f"{name}={value}: lm {self.job} has no such group or key{near}")
            if name in self.keys:
                self.keys[name] = value

    def screen(self, prefix: str = "") -> str:
        """The keys that people set, the groups, and how to see the rest; of a stage, those of its job."""
        at = f"{prefix}." if prefix else ""
        job = self.found.included[prefix] if prefix else self.job
        inside = {name: option for name, option in self.found.groups.items() if _place(name).startswith(at)}
        stages = {
            place: each for place, each in self.found.included.items() if place.startswith(at) and place != prefix
        }
        folded = tuple(f"{stage}." for stage in stages)
        rows = [self._group_row(name) for name in inside if not _place(name).startswith(folded)]
        rows += [(f"{stage}.…", f"as in lm {each}: lm {self.job} --help {stage}") for stage, each in stages.items()]
        lines = [f"lm {self.job} [group{f'@{at}group' if at else ''}=option] [{at}key=value]"]
        lines += wrap(jobs(self.places)[job], self.width)
        keys = [self._key_row(key) for key in self._first(job, at, folded)]
        lines += ["", "keys set most often (… must be given)", *table(keys, self.width)] if keys else []
        lines += ["", "groups: the option, and the others", *table(rows, self.width)] if rows else []
        return "\n".join([*lines, "", *self._further(inside)])

    def part(self, name: str) -> str:
        """A part in full: the options of a group, the groups inside, and the keys with their meaning."""
        place = name.rpartition("@")[2].replace("/", ".")
        if name == ALL:
            return self._everything()
        if place in self.found.included:
            return self.screen(place)
        groups = {each: option for each, option in self.found.groups.items() if _place(each) == place}
        inner = [each for each in self.found.groups if _place(each).startswith(f"{place}.")]
        nested = tuple(f"{_place(each)}." for each in inner)
        keys = [
            key for key in self.keys if key == place or (key.startswith(f"{place}.") and not key.startswith(nested))
        ]
        if not (groups or inner or keys):
            known = parts(self.found)
            ending = [each for each in known if each.endswith(f".{place}")]
            near = f"; did you mean {' or '.join(ending[:3])}?" if ending else did_you_mean(place, [*known, ALL])
            raise ValueError(f"lm {self.job} has no group or part {name}{near or f'; see lm {self.job} --help'}")
        lines = [line for each in groups for line in self._options(each)]
        heading = ["", "groups inside"] if groups else ["groups"]
        lines += [*heading, *table(map(self._group_row, inner), self.width)] if inner else []
        return "\n".join([*lines, *self._keys(keys)]).strip("\n")

    def _everything(self) -> str:
        """All groups with their options, and the job's own keys."""
        lines = [f"lm {self.job} [group=option] [key=value]", "", *wrap(jobs(self.places)[self.job], self.width)]
        lines += ["", "groups (* the default)"] if self.found.groups else []
        shown: set[str] = set()
        for name, option in self.found.groups.items():
            again = (group := name.partition("@")[0]) in shown
            lines += [f"  {name}={as_typed(option)}"] if again else self._options(name, indent=2)
            shown.add(group)
        lines += self._keys([*self.found.own])
        last = f"lm {self.job} --help GROUP shows the keys of an option, lm explain {self.job} KEY explains one"
        return "\n".join([*lines, "", *wrap(last, self.width)])

    def _options(self, name: str, *, indent: int = 0) -> list[str]:
        option = self.found.groups[name]
        current = option if isinstance(option, list) else [option]
        offered = options(name.partition("@")[0], self.places, job=self.job)
        rows = [(f"{'*' if each in current else ' '} {each}", text) for each, text in offered.items()]
        rows = rows or [(" ", NO_OPTION)]
        return [f"{' ' * indent}{name}={as_typed(option)}", *wrapped(rows, self.width, indent=indent + 2)]

    def _keys(self, keys: Sequence[str]) -> list[str]:
        lines = ["", "keys (… must be given)"] if keys else []
        for key in keys:
            lines += table([(f"{key}={as_typed(self.keys[key])}", "")], self.width)
            parameter = self._parameter(key)
            if parameter and parameter.text:
                lines += wrap(parameter.text, self.width, initial_indent=" " * 6, subsequent_indent=" " * 6)
        return lines

    def _first(self, job: str, at: str, folded: tuple[str, ...]) -> list[str]:
        """The keys of a screen: those that must be given, then those that the YAML of the job names, else its own."""
        inside = [key for key in self.keys if key.startswith(at) and not (folded and key.startswith(folded))]
        missing = [key for key in inside if self.keys[key] == "???"]
        named = [key for each in first_keys(job, self.places) if (key := f"{at}{each}") in self.keys]
        own = [key for key in inside if key in self.found.own]
        return list(dict.fromkeys([*missing, *(named or own[:MOST])]))

    def _key_row(self, key: str) -> tuple[str, str]:
        parameter = self._parameter(key)
        meaning = (parameter.text if parameter else "").partition(". ")[0].removesuffix(".")
        return f"{key}={as_typed(self._resolved(key, self.keys[key]))}", meaning

    def _group_row(self, name: str) -> tuple[str, str]:
        option = self.found.groups[name]
        current = option if isinstance(option, list) else [option]
        offered = options(name.partition("@")[0], self.places, job=self.job)
        others = " ".join(each for each in offered if each not in current)
        return f"{name}={as_typed(option)}", others if offered else NO_OPTION

    def _further(self, groups: Mapping[str, object]) -> list[str]:
        """How to see more; the full list last."""
        command, example = f"lm {self.job} --help", next(iter(map(_place, groups)), None)
        rows = {f"{command} GROUP": f"one group, such as {example}: options and keys"} if example else {}
        rows |= {f"lm explain {self.job} KEY": "one key: meaning, type, value, where it is set"}
        return table({**rows, f"{command} {ALL}": "all groups, options and keys"}.items(), self.width)

    def _parameter(self, key: str) -> Parameter | None:
        """The parameter that is given the key; None where nothing documents it."""
        target, name = self.found.reader(key)
        definition = describe(target)
        return definition.parameters.get(name) if definition and key.endswith(name) else None

    def _resolved(self, key: str, value: object, *, depth: int = INTERPOLATIONS) -> object:
        """A text with the plain interpolations in it replaced; as it stands if there are others."""
        if not isinstance(value, str) or "${" not in value or not depth:
            return value
        before, _, rest = value.partition("${")
        name, _, after = rest.partition("}")
        name, _, default = name.removeprefix("oc.select:").partition(",")
        target = name.lstrip(".")
        around = key.split(".")[: -len(name) + len(target)] if target != name else []
        full = ".".join([*around, target])
        found = self._resolved(full, self.keys[full], depth=depth - 1) if full in self.keys else default
        return self._resolved(key, f"{before}{as_typed(found)}{after}", depth=depth - 1) if found != "" else value


def _place(group: str) -> str:
    """The key at which a group's option stands."""
    return group.rpartition("@")[2].replace("/", ".")
