"""A job's config composed by Hydra, and all that Hydra would refuse, told at once and in words."""

import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import (
    ConfigCompositionException,
    OverrideParseException,
)
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lm.config.check import check
from lm.config.hints import alternatives
from lm.config.refusal import REFUSALS, first_line, refusal_in_words
from lm.config.target import locate, signature
from lm.faults import Fault, did_you_mean, nearest

# Where a sweep's multirun.yaml goes; a job need not have a run.
SWEEP = "${oc.select:run.root,outputs}/${oc.select:run.job,${hydra.job.config_name}}/${oc.select:run.name,default}"
# Runs keep their own books: Hydra makes no directory, logs nothing, writes only a sweep's multirun.yaml.
SETTINGS = (
    "hydra.output_subdir=null",
    "hydra.run.dir=.",
    f"hydra.sweep.dir='{SWEEP}'",
    "hydra.sweep.subdir=.",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)


class Composition:
    """The configs of one job from `directory`, and from the user's own `extra` directory after it."""

    def __init__(self, job: str, *, directory: Path, extra: Path | None = None):
        version.setbase("1.3")
        search_path = create_config_search_path(str(directory.absolute()))
        if extra is not None:
            last = SearchPathQuery(provider="schema")  # where Hydra's own --config-dir goes
            search_path.prepend(provider="command-line", path=f"file://{extra.absolute()}", anchor=last)
        GlobalHydra.instance().clear()
        self.job = job
        self.hydra = Hydra.create_main_hydra2(task_name=job, config_search_path=search_path)
        self.sweeps = False  # whether what was composed last asks for a multirun itself

    def readable(self, override: str, *, multirun: bool = False) -> str:
        """`key=text` as it was typed, quoted where Hydra would stumble over the text or change it.

        Its grammar refuses some brackets and quotes, drops outer spaces, and makes numbers, lists and sweeps of what a
        job wants as text: `message=42`, `message='Hello, how are you?'`.
        """
        key, equals, text = override.partition("=")
        if not equals or self.hydra.config_loader.get_group_options(key.lstrip("+")):
            return override
        within = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + found[2].replace("'", "\\'"), text)
        quoted = f"{key}='{within}'"
        try:
            (read,) = self._parse([override])
        except OverrideParseException:
            with suppress(OverrideParseException):
                self._parse([quoted])
                return quoted
            return override
        changed = isinstance(read.value(), int | float) or ", " in text or (read.is_sweep_override() and "(" in text)
        spoken = changed and not multirun and self._is_text(key)
        typed_as_is = text[:1] in ("'", '"', "[") or text == "null"
        return quoted if text != text.strip() or (spoken and not typed_as_is) else override

    def _is_text(self, key: str) -> bool:
        """Whether the job's function wants a text for one of its own keys."""
        target, _ = locate(str(OmegaConf.select(self._plain, "_target_")))
        parameter = getattr(signature(target), "parameters", {}).get(key) if target else None
        return parameter is not None and str in alternatives(parameter.annotation)

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The job's config with Hydra's own node; one of REFUSALS where Hydra refuses."""
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="provider=.* is not available")
            try:
                config = self.hydra.compose_config(
                    config_name=self.job,
                    overrides=[*SETTINGS, *overrides],
                    run_mode=RunMode.RUN,
                    with_log_configuration=False,
                    from_shell=False,
                )
            except ValueError as error:  # how Hydra refuses a group's value that is no name
                raise ConfigCompositionException(str(error)) from error
        HydraConfig.instance().set_config(config)  # for ${hydra:…}
        self.sweeps = config.hydra.mode == RunMode.MULTIRUN
        return config

    def run(self, task: Callable[[DictConfig], Any], overrides: Sequence[str], *, multirun: bool) -> None:
        """Hand over to Hydra: its sweeper and launcher, or `task` here and now."""
        multirun = multirun or self.sweeps
        run, mode = (self.hydra.multirun, "MULTIRUN") if multirun else (self.hydra.run, "RUN")
        run(self.job, task, [*SETTINGS, *overrides, f"hydra.mode={mode}"])

    def show(self, overrides: Sequence[str], kind: str, *, package: str | None, resolve: bool) -> None:
        """Print the composed config: of the job, of Hydra, or all."""
        self.compose(overrides)  # refuses in words what the next line may not
        self.hydra.show_cfg(self.job, [*SETTINGS, *overrides], kind, package, resolve)

    def faults(self, overrides: Sequence[str], *, multirun: bool) -> list[Fault]:
        """All faults of a command; of a sweep, those of each of its values."""
        found, parsed = [], []
        for text in overrides:
            try:
                parsed += self._parse([text])
            except OverrideParseException as error:
                found.append(Fault(text, f"is not key=value as Hydra reads it: {first_line(error)}"))
        for variant in _variants(parsed):
            found += self._faults_of_one(variant)
        if not multirun and not self.sweeps:
            several = "has several values: add -m to run each in turn; or write [a,b] for a list, '\"a, b\"' for a text"
            found += [Fault(each.input_line, several) for each in parsed if each.is_sweep_override()]
        return [*dict.fromkeys(found)]

    def _parse(self, overrides: list[str]) -> list[Override]:
        return OverridesParser.create(config_loader=self.hydra.config_loader).parse_overrides(overrides)

    def _faults_of_one(self, overrides: list[str]) -> list[Fault]:
        """Where Hydra refuses at the first mistake, mend or leave out each, and check the rest."""
        found: list[Fault] = []
        try:
            return self._check(self.compose(overrides))
        except REFUSALS:
            parsed = self._parse(overrides)
            chosen: list[str] = []  # options with what comes with them, so that no key of theirs is taken for a fault
            for each in filter(self._chooses, parsed):
                with suppress(*REFUSALS):
                    self.compose([*chosen, each.input_line])
                    chosen.append(each.input_line)
            kept = [text for each in parsed for text in self._mended(each, chosen, found)]
        try:
            found += self._check(self.compose(kept))
        except REFUSALS as error:
            return [*found, Fault("", refusal_in_words(error))]
        new = {each.key_or_group: each.input_line for each in parsed if f"++{each.input_line}" in kept}
        return found + [
            Fault(key, f"is not in the YAML; {self._with_key(key) or f'to add it, write +{text}'}")
            for key, text in new.items()
            if not any(_one_within_other(key, fault.key) for fault in found)
        ]

    def _check(self, config: DictConfig) -> list[Fault]:
        """The faults of what was composed, and the options that Hydra looked for in vain and said nothing."""
        found, runtime = [], config.hydra.runtime
        places = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
        asked = {each.partition("=")[0] for each in _as_typed(config.hydra)}
        for named, option in runtime.choices.items():
            group, _, place = named.partition("@")
            if not isinstance(option, str) or group.startswith("hydra/"):
                continue
            if named in asked and (used := _reference(config, place or group.replace("/", "."))):
                found.append(Fault(f"{named}={option}", f"has no effect: it is {used} here, so choose it there"))
            options = sorted({path.stem for place in places for path in place.glob(f"{group}/*.yaml")})
            if option not in options:  # the group is marked optional
                found.append(Fault(f"{named}={option}", f"no such option{did_you_mean(option, options)}"))
        return found + check(config)

    def _with_key(self, key: str) -> str:
        """Which other option of the group has the key, in words; "" if none has."""
        place, _, name = key.rpartition(".")
        group = place.replace(".", "/")
        having = []
        for option in self.hydra.config_loader.get_group_options(group) if place in self._groups else ():
            with suppress(*REFUSALS):
                if name in OmegaConf.select(self.compose([f"{group}={option}"]), place):
                    having.append(f"{group}={option}")
        return f"{' and '.join(having)} {'has' if len(having) == 1 else 'have'} it" if having else ""

    def _chooses(self, override: Override) -> bool:
        """Whether an override chooses an option that there is, in a group that the job has: keys come with it."""
        options = self.hydra.config_loader.get_group_options(override.key_or_group)
        return override.value() in options and override.get_key_element().lstrip("+") in self._groups

    def _mended(self, override: Override, chosen: list[str], faults: list[Fault]) -> list[str]:
        """What to check in place of an override; what is wrong with it goes to `faults`."""
        text, key = override.input_line, override.key_or_group
        try:
            self.compose(list(dict.fromkeys([*chosen, text])))
            return [text]
        except REFUSALS as error:
            refusal = error
        options = self.hydra.config_loader.get_group_options(key)
        if override.is_add() and not options:
            faults.append(Fault(text, "is in the YAML already: leave out the +"))
            return [f"++{text.lstrip('+')}"]
        if not options and not override.is_delete() and not override.is_hydra_override():
            return [f"++{key}={override.get_value_element_as_str()}"]  # `check` says what it is
        groups = self._groups
        if options and override.value() not in options:
            faults.append(Fault(text, f"no such option{did_you_mean(str(override.value()), options)}"))
            near = nearest(str(override.value()), options)
            return [f"{override.get_key_element()}={near}"] if near else []
        if options and key not in groups:
            faults.append(Fault(text, f"lm {self.job} has no group {key}{did_you_mean(key, groups)}"))
        else:
            faults.append(Fault(text, refusal_in_words(refusal)))
        return []

    @cached_property
    def _plain(self) -> DictConfig:
        """The job's config without overrides; empty where Hydra refuses even that."""
        try:
            return self.compose([])
        except REFUSALS:
            return OmegaConf.create({"hydra": {"runtime": {"choices": {}}}})

    @cached_property
    def _groups(self) -> list[str]:
        return [group for group in self._plain.hydra.runtime.choices if not group.startswith("hydra/")]


def _reference(config: DictConfig, place: str) -> str:
    """The `${…}` that stands at a dotted place of the config; "" if it is no reference."""
    *above, key = place.split(".")
    owner = OmegaConf.select(config, ".".join(above)) if above else config
    if not isinstance(owner, DictConfig) or key not in owner or not OmegaConf.is_interpolation(owner, key):
        return ""
    return str(OmegaConf.to_container(owner, resolve=False)[key])


def leave_hydra() -> list[str] | None:
    """The overrides of the job that Hydra is running if it is one of a sweep.

    Hydra's settings are forgotten: else Lightning ends the other ranks' command line with Hydra's words.
    """
    hydra = HydraConfig.get()
    HydraConfig.instance().cfg = None
    return _as_typed(hydra) if hydra.mode == RunMode.MULTIRUN else None


def _as_typed(hydra: DictConfig) -> list[str]:
    """The overrides of a job; iterating over them would resolve what they refer to."""
    return OmegaConf.to_container(hydra.overrides.task, resolve=False)


def _one_within_other(key: str, other: str) -> bool:
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _variants(overrides: list[Override]) -> list[list[str]]:
    """The command without sweeps: with the first value of each, then with every other value once."""
    values = [_values(each) for each in overrides]
    first = [each[0] for each in values]
    others = [[*first[:i], text, *first[i + 1 :]] for i, each in enumerate(values) for text in each[1:]]
    return [first, *others]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line]
    key = override.get_key_element()
    if not override.is_discrete_sweep():
        return [f"{key}={override.value().start}", f"{key}={override.value().end}"]
    values = [f"{key}={value}" for value in override.sweep_string_iterator()] or [f"{key}="]  # a glob without a match
    return [values[0], values[-1]] if override.is_range_sweep() else values
