"""A job's config composed by Hydra, and all that Hydra would refuse, told at once and in words."""

import warnings
from collections.abc import Callable, Sequence
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
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lm.config.loader import ConfigLoader
from lm.config.refusal import REFUSALS
from lm.config.resolvers import register_resolvers

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
SAME = "hydra.job.config.override_dirname.exclude_keys"  # Hydra's own place for what a directory's name leaves out


class Composition:
    """The configs of one job from `directory`, and from the user's own `extra` directory after it."""

    def __init__(self, job: str, *, directory: Path, extra: Path | None = None):
        version.setbase("1.3")
        register_resolvers()
        search_path = create_config_search_path(str(directory.absolute()))
        if extra is not None:
            last = SearchPathQuery(provider="schema")  # where Hydra's own --config-dir goes
            search_path.prepend(provider="command-line", path=f"file://{extra.absolute()}", anchor=last)
        GlobalHydra.instance().clear()
        self.job = job
        self.hydra = Hydra(task_name=job, config_loader=ConfigLoader(search_path))
        GlobalHydra.instance().initialize(self.hydra)
        self.sweeps = False  # whether what was composed last asks for a multirun itself

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

    def run(self, task: Callable[[DictConfig], Any], overrides: Sequence[str], *, multirun: bool) -> list[Any]:
        """Hand over to Hydra: its sweeper and launcher, or `task` here and now. What each job of a sweep gave back."""
        multirun = multirun or self.sweeps
        run, mode = (self.hydra.multirun, ["hydra.mode=MULTIRUN"]) if multirun else (self.hydra.run, [])
        done = run(self.job, task, [*SETTINGS, *self._constant(overrides), *overrides, *mode])
        batches = done if multirun and isinstance(done, list) else []  # a foreign sweeper may give back anything
        return [job.return_value for batch in batches for job in batch]

    def sweep(self, overrides: Sequence[str]) -> tuple[Path, bool]:
        """The directory of a sweep, and whether its best job is the one that returned most."""
        config = self.compose([each.input_line for each in self.parse(list(overrides)) if not each.is_sweep_override()])
        return Path(config.hydra.sweep.dir), config.hydra.sweeper.get("direction") == "maximize"

    def show(self, overrides: Sequence[str], kind: str, *, package: str | None, resolve: bool) -> None:
        """Print the composed config: of the job, of Hydra, or all."""
        self.compose(overrides)  # refuses in words what the next line may not
        self.hydra.show_cfg(self.job, [*SETTINGS, *overrides], kind, package, resolve)

    def options(self, group: str) -> list[str]:
        """What there is to choose from in a group; nothing where it is none."""
        return self.hydra.config_loader.get_group_options(group)

    def parse(self, overrides: list[str]) -> list[Override]:
        """Overrides as Hydra reads them; OverrideParseException where it cannot."""
        return OverridesParser.create(config_loader=self.hydra.config_loader).parse_overrides(overrides)

    @cached_property
    def plain(self) -> DictConfig:
        """The job's config without overrides; empty where Hydra refuses even that."""
        try:
            return self.compose([])
        except REFUSALS:
            return OmegaConf.create({"hydra": {"runtime": {"choices": {}}}})

    @cached_property
    def groups(self) -> list[str]:
        """The job's groups, as they are named on the command line."""
        return [group for group in self.plain.hydra.runtime.choices if not group.startswith("hydra/")]

    def _constant(self, overrides: Sequence[str]) -> list[str]:
        """A setting that tells each job of a sweep which overrides all have, so that its name does without."""
        swept = {each.get_key_element().lstrip("+~"): each.is_sweep_override() for each in self.parse(list(overrides))}
        same = [key for key, several in swept.items() if not several]  # of a key that was given twice the last counts
        return [f"{SAME}=[{','.join(map(repr, same))}]"] if len(same) < len(swept) else []


def leave_hydra() -> list[str] | None:
    """The overrides that tell the job that Hydra is running from the others, if it is one of a sweep.

    Hydra's settings are forgotten: else Lightning ends the other ranks' command line with Hydra's words.
    """
    hydra = HydraConfig.get()
    HydraConfig.instance().cfg = None
    if hydra.mode != RunMode.MULTIRUN:
        return None
    same = hydra.job.config.override_dirname.exclude_keys
    return [each for each in as_typed(hydra) if each.partition("=")[0].lstrip("+~") not in same]


def as_typed(hydra: DictConfig) -> list[str]:
    """The overrides of a job; iterating over them would resolve what they refer to."""
    return OmegaConf.to_container(hydra.overrides.task, resolve=False)
