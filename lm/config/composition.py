"""A job's config composed by Hydra, from our YAML and the user's, with our settings."""

import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.default_element import InputDefault, ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import ConfigCompositionException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, base, open_dict
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import OmegaConfBaseException

from lm.config.hydra_errors import COMPOSITION_ERRORS, first_line
from lm.config.implied import WHEN, implied
from lm.config.outline import options, rules
from lm.config.resolvers import register_resolvers

# Where a sweep's multirun.yaml goes; a job need not have a run.
SWEEP = "${oc.select:run.root,outputs}/${oc.select:run.job,${hydra.job.config_name}}/${oc.select:run.name,default}"
# Runs keep their own records: Hydra makes no directory, logs nothing, and writes only a sweep's multirun.yaml.
SETTINGS = (
    "hydra.output_subdir=null",
    "hydra.run.dir=.",
    f"hydra.sweep.dir='{SWEEP}'",
    "hydra.sweep.subdir=.",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)
UNNAMED = "hydra.job.config.override_dirname.exclude_keys"  # Hydra's list of keys left out of directory names


_every_choice = defaults_list._create_interpolation_map


def _choices_if_read(overrides: Overrides, defaults: list[InputDefault], self_added: bool) -> DictConfig | None:
    """All choices so far, which only a list of defaults with `${…}` reads.

    Hydra makes it for every list, which is a third of composing the config of a pipeline.
    """
    read = any(each.is_interpolation() for each in defaults)
    return _every_choice(overrides, defaults, self_added) if read else None


defaults_list._create_interpolation_map = _choices_if_read
# The tree of an interpolation's text, which is only read; parsing it takes milliseconds, and OmegaConf does so at every
# access.
base.parse = cache(base.parse)


@contextmanager
def _parents_set_once() -> Iterator[None]:
    """Keep OmegaConf from setting the parents of all nodes again after each merge of a composition."""
    BaseContainer._re_parent = lambda self: None  # in front of the inherited one
    try:
        yield
    finally:
        del BaseContainer._re_parent


class ConfigLoader(ConfigLoaderImpl):
    """Hydra's loader that composes once per distinct set of options, and accepts `group=null` for no option.

    Which files are read and merged follows from the options alone; that takes a tenth of a second. The values of keys
    are set on a copy, which takes a twentieth of that, so a command with many faults, or a sweep of many values, is
    checked in little more than the time of one composition. Each file is parsed once.

    Hydra accepts null in a list of defaults but not on the command line, where it has `~group`, which is no value that
    a sweep could combine with others.
    """

    def __init__(self, config_search_path: ConfigSearchPath):
        super().__init__(config_search_path)
        self._composed: dict[object, bytes | Exception] = {}
        self._repositories: dict[object, CachingConfigRepository] = {}
        self._placed: dict[object, tuple[ConfigResult, bytes]] = {}

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        parsed = [_parsed(each) for each in overrides]
        if validate_sweep_overrides:
            self.validate_sweep_overrides_legal(parsed, run_mode, from_shell)
        groups = self._repository(config_name, tuple(each.input_line for each in parsed if _searches(each)))
        kept = [each for each in parsed if not each.is_sweep_override()]
        rules = _rules(groups, config_name)
        options = [each.input_line for each in kept if each.key_or_group not in rules and _decides(each, groups)]
        values = [each for each in kept if each.input_line not in options]
        config = self._composed_with(config_name, options, run_mode, from_shell)
        if found := [*map(_parsed, self._implied(rules, parsed, config))]:
            options = [*(each.input_line for each in found if _decides(each, groups)), *options]
            values = [*(each for each in found if each.input_line not in options), *values]
            config = self._composed_with(config_name, options, run_mode, from_shell)
        with open_dict(config):
            config.pop(WHEN, None)
        _check_implied(rules, values, config)
        self._apply_overrides_to_config(values, config)
        task = [each for each in parsed if not each.is_hydra_override()]
        config.hydra.overrides.task = [each.input_line for each in task]
        config.hydra.overrides.hydra = [each.input_line for each in parsed if each.is_hydra_override()]
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            task, kv_sep=naming.kv_sep, item_sep=naming.item_sep, exclude_keys=naming.exclude_keys
        )
        return config

    def _composed_with(
        self, config_name: str | None, options: list[str], run_mode: RunMode, from_shell: bool
    ) -> DictConfig:
        """A copy of the config that follows from the options alone."""
        request = config_name, tuple(options), run_mode
        if request not in self._composed:
            try:
                composed = pickle.dumps(super().load_configuration(config_name, options, run_mode, from_shell, False))
            except Exception as error:
                composed = error
            self._composed[request] = composed
        if isinstance(composed := self._composed[request], Exception):
            raise composed
        return pickle.loads(composed)

    def _implied(self, rules: Mapping[str, Sequence[str]], parsed: Sequence[Override], config: DictConfig) -> list[str]:
        """The overrides that follow from keys that are given, without the options that the command chooses itself."""
        typed = {each.get_key_element().lstrip("+~"): each for each in parsed}
        given = {key: _first(typed[key]) if key in typed else config.get(key) for key in rules}
        chosen = implied(rules, given, self.get_group_options)
        for word in chosen:
            key = word.partition("=")[0]
            if key in typed and "@" not in key:
                raise ConfigCompositionException(f"{key}: is what {_rule(rules, word)} sets too: leave one of them out")
        return [each for each in chosen if each.partition("=")[0] not in typed]

    def _repository(self, config_name: str | None, searched: tuple[str, ...]) -> CachingConfigRepository:
        """The files of the search path, which a job's YAML and the command line extend."""
        if (config_name, searched) not in self._repositories:
            _, repository = super()._parse_overrides_and_create_caching_repo(config_name, [*searched])
            self._repositories[config_name, searched] = repository
        return self._repositories[config_name, searched]

    def _load_single_config(self, default: ResultDefault, repo: CachingConfigRepository) -> ConfigResult:
        """A file's config at its place in the job's; a copy, which merging changes."""
        place = repo, default.config_path, default.package, default.primary
        if place not in self._placed:
            loaded = super()._load_single_config(default, repo)
            self._placed[place] = loaded, pickle.dumps(loaded.config)
        loaded, config = self._placed[place]
        loaded = copy(loaded)
        loaded.config = pickle.loads(config)  # takes a fifth of the time of deepcopy
        return loaded

    def _compose_config_from_defaults_list(
        self, defaults: list[ResultDefault], repo: CachingConfigRepository
    ) -> DictConfig:
        with _parents_set_once():
            config = super()._compose_config_from_defaults_list(defaults, repo)
        config._re_parent()
        return config

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        parsed = [_parsed(each) for each in overrides]
        repository = self._repository(config_name, tuple(each.input_line for each in parsed if _searches(each)))
        for each in parsed:
            chosen = each.type == OverrideType.CHANGE and not each.is_sweep_override()
            if chosen and each.value() is None and repository.group_exists(each.key_or_group):
                each.type = OverrideType.DEL
        return parsed, repository


def _rule(rules: Mapping[str, Sequence[str]], word: str) -> str:
    """The key that stands for an override."""
    return next(key for key, words in rules.items() if word in words)


def _check_implied(rules: Mapping[str, Sequence[str]], values: Sequence[Override], config: DictConfig) -> None:
    """Raise if a key that is given stands for one that the option chosen does not have."""
    words = {word for each in rules.values() for word in each}
    for each in values:
        above, _, leaf = each.key_or_group.rpartition(".")
        node = OmegaConf.select(config, above) if each.input_line in words else None
        if OmegaConf.is_dict(node) and leaf not in node.keys():  # noqa: SIM118 — a missing value is no member
            key = _rule(rules, each.input_line)
            raise ConfigCompositionException(f"{key}: the option chosen for {above} has no {leaf}: leave {key} out")


def _first(override: Override) -> object:
    """The value of an override; of a sweep the first."""
    if override.is_delete():
        return None
    value = next(override.sweep_iterator()) if override.is_choice_sweep() else override.value()
    return [*map(str, value)] if isinstance(value, list) else None if value is None else str(value)


def _searches(override: Override) -> bool:
    return override.key_or_group.startswith("hydra.searchpath")


def _decides(override: Override, repository: CachingConfigRepository) -> bool:
    """Whether an override has a part in which files are read, or in what Hydra derives from them."""
    chooses = repository.group_exists(override.key_or_group) and not isinstance(override.value(), dict)
    derives = override.key_or_group == "hydra.job.env_copy"
    return chooses or derives or _searches(override) or override.package is not None


@cache
def _read(override: str) -> Override:
    (parsed,) = OverridesParser.create().parse_overrides([override])
    return parsed


def _rules(files: CachingConfigRepository, config_name: str | None) -> dict[str, list[str]]:
    """The keys of the job that choose options when they are given."""
    found = files.load_config(config_name) if config_name else None
    node = found.config.get(WHEN) if found else None
    return OmegaConf.to_container(node, resolve=False) if node else {}


def _parsed(override: str) -> Override:
    """An override as Hydra reads it; reading takes milliseconds, a copy does not."""
    return copy(_read(override))


class Composition:
    """The configs of one job.

    Args:
        job: Name of the job, a YAML file at the top of `directory`.
        directory: Directory of the YAML.
        extra: The user's own directory, searched after it.
    """

    def __init__(self, job: str, *, directory: Path, extra: Path | None = None):
        version.setbase("1.3")
        register_resolvers()
        search_path = create_config_search_path(str(directory.absolute()))
        if extra is not None:
            last = SearchPathQuery(provider="schema")  # where Hydra's own --config-dir goes
            search_path.prepend(provider="command-line", path=f"file://{extra.absolute()}", anchor=last)
        GlobalHydra.instance().clear()
        self.job = job
        self.places = (directory, *([extra] if extra else []))
        self.hydra = Hydra(task_name=job, config_loader=ConfigLoader(search_path))
        GlobalHydra.instance().initialize(self.hydra)
        self.sweeps = False  # whether the config composed last sets a multirun itself

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The job's config with Hydra's node; raises one of COMPOSITION_ERRORS."""
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
            except ValueError as error:  # from Hydra, for a value of a group that is not a name
                raise ConfigCompositionException(str(error)) from error
        HydraConfig.instance().set_config(config)  # for ${hydra:…}
        self.sweeps = config.hydra.mode == RunMode.MULTIRUN
        return config

    def run(self, task: Callable[[DictConfig], Any], overrides: Sequence[str], *, multirun: bool) -> list[Any]:
        """Run `task` through Hydra; return the results of the jobs of a sweep."""
        multirun = multirun or self.sweeps
        run, mode = (self.hydra.multirun, ["hydra.mode=MULTIRUN"]) if multirun else (self.hydra.run, [])
        done = run(self.job, task, [*SETTINGS, *self._constant(overrides), *overrides, *mode])
        batches = done if multirun and isinstance(done, list) else []  # other sweepers may return anything
        return [job.return_value for batch in batches for job in batch]

    def sweep(self, overrides: Sequence[str]) -> tuple[Path, str | None]:
        """The directory of a sweep, and the direction that its sweeper was given: minimize, maximize or None."""
        config = self.compose([each.input_line for each in self.parse(list(overrides)) if not each.is_sweep_override()])
        return Path(config.hydra.sweep.dir), config.hydra.sweeper.get("direction")

    def show(self, overrides: Sequence[str], kind: str, *, package: str | None, resolve: bool) -> None:
        """Print the composed config: of the job, of Hydra, or all."""
        self.compose(overrides)  # raises errors that Hydra's show_cfg may not
        self.hydra.show_cfg(self.job, [*SETTINGS, *overrides], kind, package, resolve)

    def options(self, group: str) -> list[str]:
        """The options of a group, those in its folders for this job too; empty if there is no such group."""
        nested = [each for each in options(group, self.places, job=self.job) if "/" in each]
        return [*self.hydra.config_loader.get_group_options(group), *nested]

    def parse(self, overrides: list[str]) -> list[Override]:
        """Overrides as Hydra reads them; raises OverrideParseException."""
        parsed = [_parsed(each) for each in overrides]
        for each in parsed:
            each.config_loader = self.hydra.config_loader  # for glob(…)
        return parsed

    @cached_property
    def rules(self) -> dict[str, list[str]]:
        """The keys of the job that choose options when they are given."""
        return rules(self.job, self.places)

    @cached_property
    def plain(self) -> DictConfig:
        """The job's config without overrides; empty if Hydra cannot compose even that."""
        try:
            return self.compose([])
        except COMPOSITION_ERRORS:
            return OmegaConf.create({"hydra": {"runtime": {"choices": {}}}})

    @cached_property
    def groups(self) -> list[str]:
        """The job's groups, as they are named on the command line."""
        return [group for group in self.plain.hydra.runtime.choices if not group.startswith("hydra/")]

    def _constant(self, overrides: Sequence[str]) -> list[str]:
        """A setting that lists the overrides that all jobs of a sweep share, so that their names leave them out."""
        swept = {each.get_key_element().lstrip("+~"): each.is_sweep_override() for each in self.parse(list(overrides))}
        same = [key for key, several in swept.items() if not several]  # of a key given twice the last wins
        return [f"{UNNAMED}=[{','.join(map(repr, same))}]"] if len(same) < len(swept) else []


def leave_hydra() -> list[str] | None:
    """The overrides in which the running job differs from others of its sweep; None if there is no sweep.

    Hydra's global config is cleared: otherwise Lightning adds Hydra's settings to the command line of other ranks.
    """
    hydra = HydraConfig.get()
    HydraConfig.instance().cfg = None
    if hydra.mode != RunMode.MULTIRUN:
        return None
    same = hydra.job.config.override_dirname.exclude_keys
    return [each for each in as_typed(hydra) if each.partition("=")[0].lstrip("+~") not in same]


def as_typed(hydra: DictConfig) -> list[str]:
    """The overrides of a job as typed; iterating over the node would resolve interpolations."""
    return OmegaConf.to_container(hydra.overrides.task, resolve=False)


@dataclass(frozen=True)
class Entry:
    """A key of a composed config."""

    reader: str  # the `_target_` that is called with it, "" if none is
    parameter: str  # of the reader
    exists: bool  # False where only the reader's signature may have it
    written: Any = None  # plain, as it stands in the YAML, interpolations included
    value: Any = None  # plain and resolved; a text that says why where it cannot be


def entry(config: DictConfig, key: str) -> Entry:
    """What a composed config holds at a dotted key, and who reads it."""
    *above, name = key.split(".")
    nodes = [config, *(OmegaConf.select(config, ".".join(above[: i + 1])) for i in range(len(above)))]
    readers = [(each, part) for each, part in zip(nodes, [*above, name], strict=True) if OmegaConf.is_dict(each)]
    reader, parameter = next(
        ((str(each["_target_"]), part) for each, part in reversed(readers) if "_target_" in each), ("", "")
    )
    node = nodes[-1]
    if not OmegaConf.is_dict(node) or name not in node:
        return Entry(reader, parameter, exists=False)
    written = OmegaConf.to_container(node, resolve=False)[name]
    try:
        value = written if OmegaConf.is_missing(node, name) else node[name]
    except OmegaConfBaseException as error:
        value = f"({first_line(error)})"
    plain = OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value
    return Entry(reader, parameter, exists=True, written=written, value=plain)
