"""What Hydra loads of ours: it takes sweepers and launchers only from a package of this name, which has no other."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from lm.bounds import Count, Natural
from lm.cli.call import carry_out, freeze
from lm.config.composition import SAME
from lm.config.typed import literal
from lm.sweep import Job, Outcome
from lm.sweep.comparison import write_trials
from lm.sweep.processes import in_processes
from lm.sweep.reports import check_reports
from lm.sweep.search import Point, Search, opened
from lm.sweep.slurm import on_slurm, parameters
from lm.sweep.space import choice, interval, stepped

TRIALS = "study.trials.json"  # what jobs are compared with


class Optuna(Sweeper):
    """`hydra/sweeper=optuna`: jobs chosen by what earlier ones returned."""

    def __init__(
        self,
        *,
        sampler: Callable[..., Any],
        storage: Callable[..., Any],
        pruner: Callable[[], Any] | None = None,
        trials: Count = 20,
        at_once: Count = 1,
        seed: Natural = 0,
        direction: Literal["minimize", "maximize"] = "minimize",
        params: dict[str, str] | None = None,
    ):
        self.sampler, self.storage, self.pruner, self.params = sampler, storage, pruner, params or {}
        self.trials, self.at_once, self.seed, self.direction = trials, at_once, seed, direction

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[list[JobReturn]]:
        typed = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        parsed = {each.get_key_element(): each for each in parser.parse_overrides(typed)}  # the last of a key counts
        space = {key: _distribution(each) for key, each in parsed.items() if each.is_sweep_override()}
        search = Search(
            space,
            sampler=self.sampler,
            trials=self.trials,
            at_once=self.at_once,
            seed=self.seed,
            direction=self.direction,
        )
        config = OmegaConf.to_container(self.config, resolve=False)
        config.pop("hydra")
        directory = Path(self.config.hydra.sweep.dir)
        restart = OmegaConf.select(self.config, "run.restart") is True
        if self.pruner:
            check_reports(config, space)
        launched = 0

        def launch(points: dict[int, Point]) -> list[Outcome]:
            nonlocal launched
            jobs = [[_override(each, point) for each in parsed.values()] for point in points.values()]
            if self.pruner:
                write_trials(study, directory / TRIALS)
                jobs = [[*job, *self._pruning(trial, directory)] for trial, job in zip(points, jobs, strict=True)]
            returned = self.launcher.launch(jobs, initial_job_idx=launched)
            launched += len(jobs)
            return [each.return_value for each in returned]

        with opened(directory, search, storage=self.storage, config=config, restart=restart) as study:
            return [[_returned(each) for each in search.run(study, launch)]]

    def _pruning(self, trial: int, directory: Path) -> list[str]:
        """What gives a job the callback that may end it early, which is no part of its name."""
        node = {
            "_target_": "lm.sweep.pruning.Pruning",
            "pruner": OmegaConf.to_container(self.config.hydra.sweeper.pruner, resolve=True),
            "trials": str((directory / TRIALS).absolute()),
            "trial": trial,
        }
        unnamed = [*OmegaConf.select(self.config, SAME), "callbacks.pruning"]
        return [f"+callbacks.pruning={literal(node)}", f"{SAME}={literal(unnamed)}"]


def _distribution(override: Override) -> Any:
    value = override.value()
    if override.is_interval_sweep():
        return interval(value.start, value.end, log="log" in value.tags)
    if override.is_range_sweep():
        return stepped(list(value.range()))
    return choice(list(override.sweep_string_iterator()))


def _override(override: Override, point: Point) -> str:
    key = override.get_key_element()
    return f"{key}={point[key]}" if key in point else override.input_line


def _returned(value: Any) -> JobReturn:
    done = JobReturn(status=JobStatus.COMPLETED)
    done.return_value = value
    return done


class Elsewhere(Launcher):
    """Jobs composed here and carried out in other processes."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        setup_globals()
        frozen = {
            number: self._frozen(number, list(each)) for number, each in enumerate(job_overrides, initial_job_idx)
        }
        jobs = {number: each for number, each in frozen.items() if isinstance(each, Job)}
        first = {job.directory or str(number): number for number, job in reversed(jobs.items())}
        once = {number: jobs[number] for number in sorted(first.values())}  # a job that was typed twice
        outcomes = self.carry_out(once, Path(self.config.hydra.sweep.dir, ".jobs"))
        return [
            _returned(outcomes[first[each.directory or str(number)]] if isinstance(each, Job) else each)
            for number, each in frozen.items()
        ]

    def _frozen(self, number: int, overrides: list[str]) -> Job | Outcome:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return run_job(
            hydra_context=self.hydra_context,
            task_function=freeze,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        ).return_value

    @abstractmethod
    def carry_out(self, jobs: Mapping[int, Job], directory: Path) -> Mapping[int, Outcome]:
        """What became of each job; `directory` is for files."""


class Local(Elsewhere):
    """`hydra/launcher=local`: each job in a fresh process of this machine."""

    def __init__(self, *, at_once: Count = 1, devices: list[str] | None = None):
        if devices is not None and len(devices) != at_once:
            raise ValueError(f"hydra.launcher.devices={devices}: must name those of each of {at_once} jobs at once")
        self.at_once, self.devices = at_once, devices

    def carry_out(self, jobs: Mapping[int, Job], directory: Path) -> Mapping[int, Outcome]:
        return in_processes(jobs, directory, at_once=self.at_once, devices=self.devices)


class Slurm(Elsewhere):
    """`hydra/launcher=slurm`: each job as `nodes` × `tasks` ranks of a cluster."""

    def __init__(
        self,
        *,
        nodes: Count = 1,
        tasks: Count = 1,
        gpus: Natural | None = None,
        cores: Count | None = None,
        memory: str | None = None,
        minutes: Count = 60,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        requeue: bool = True,
        at_once: Count = 256,
        setup: list[str] | None = None,
    ):
        self.parameters = parameters(
            nodes=nodes,
            tasks=tasks,
            gpus=gpus,
            cores=cores,
            memory=memory,
            minutes=minutes,
            partition=partition,
            account=account,
            qos=qos,
            requeue=requeue,
            at_once=at_once,
            setup=setup,
        )

    def carry_out(self, jobs: Mapping[int, Job], directory: Path) -> Mapping[int, Outcome]:
        return on_slurm(jobs, directory, carry_out=carry_out, parameters=self.parameters)
