"""The sweeper and launchers that Hydra loads: it finds plugins only in the namespace package `hydra_plugins`."""

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
from lm.cli.call import freeze, run_sweep_job
from lm.config.composition import UNNAMED
from lm.config.overrides import literal
from lm.sweep import Job, Outcome
from lm.sweep.comparison import check_reports, write_trials
from lm.sweep.processes import in_processes
from lm.sweep.search import Point, Search, opened
from lm.sweep.slurm import on_slurm, parameters
from lm.sweep.space import choice, interval, stepped

TRIALS = "study.trials.json"  # in the sweep directory: the trials that jobs are compared with


class Optuna(Sweeper):
    """`hydra/sweeper=optuna`: a search whose jobs follow from the results of earlier ones.

    Args:
        sampler: Factory of the sampler, called with the space and a seed for each trial (lm.sweep.optuna).
        storage: Factory of the storage, called with the directory of the sweep (lm.sweep.optuna).
        pruner: Factory of the pruner that ends trials at their validations; null prunes none.
        trials: Complete or pruned trials to reach; the same command with more of them extends the search.
        at_once: Trials suggested and run together; more than one needs a launcher that runs several.
        seed: Seed of the search; the seed of each trial follows from it.
        direction: Whether the value that the job returns is minimized or maximized; null takes what the job says of
            its metric: bits per byte are minimized, accuracies and rewards are maximized.
        params: Key → values as they would be typed, such as tag(log,interval(1e-4,1e-2)).
    """

    def __init__(
        self,
        *,
        sampler: Callable[..., Any],
        storage: Callable[..., Any],
        pruner: Callable[[], Any] | None = None,
        trials: Count = 20,
        at_once: Count = 1,
        seed: Natural = 0,
        direction: Literal["minimize", "maximize"] | None = None,
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
        parsed = {each.get_key_element(): each for each in parser.parse_overrides(typed)}  # the last of a key wins
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
                write_trials(study, directory / TRIALS, direction=self.direction)
                jobs = [[*job, *self._pruning(trial, directory)] for trial, job in zip(points, jobs, strict=True)]
            returned = self.launcher.launch(jobs, initial_job_idx=launched)
            launched += len(jobs)
            return [each.return_value for each in returned]

        with opened(directory, search, storage=self.storage, config=config, restart=restart) as study:
            return [[_returned(each) for each in search.run(study, launch)]]

    def _pruning(self, trial: int, directory: Path) -> list[str]:
        """Overrides that add the pruning callback to a job without becoming part of its name."""
        node = {
            "_target_": "lm.sweep.pruning.Pruning",
            "pruner": OmegaConf.to_container(self.config.hydra.sweeper.pruner, resolve=True),
            "trials": str((directory / TRIALS).absolute()),
            "trial": trial,
        }
        unnamed = [*OmegaConf.select(self.config, UNNAMED), "callbacks.pruning"]
        return [f"+callbacks.pruning={literal(node)}", f"{UNNAMED}={literal(unnamed)}"]


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


class ProcessLauncher(Launcher):
    """Compose jobs here and run them in other processes."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        setup_globals()
        frozen = {
            number: self._frozen(number, list(each)) for number, each in enumerate(job_overrides, initial_job_idx)
        }
        jobs = {number: each for number, each in frozen.items() if isinstance(each, Job)}
        first = {job.directory or str(number): number for number, job in reversed(jobs.items())}
        once = {number: jobs[number] for number in sorted(first.values())}  # a job typed twice runs once
        outcomes = self.run_jobs(once, Path(self.config.hydra.sweep.dir, ".jobs"))
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
    def run_jobs(self, jobs: Mapping[int, Job], directory: Path) -> Mapping[int, Outcome]:
        """Run the jobs and return the outcome of each; `directory` is for files."""


class Local(ProcessLauncher):
    """`hydra/launcher=local`: each job in a fresh process of this machine.

    Args:
        at_once: Jobs that run at the same time, each on its share of the cores.
        devices: CUDA_VISIBLE_DEVICES of each of them, such as ['0,1', '2,3']; null leaves it as it is.

    Raises:
        ValueError: If `devices` does not name one entry per job at once.
    """

    def __init__(self, *, at_once: Count = 1, devices: list[str] | None = None):
        if devices is not None and len(devices) != at_once:
            raise ValueError(f"hydra.launcher.devices={devices}: needs one entry for each of {at_once} jobs at once")
        self.at_once, self.devices = at_once, devices

    def run_jobs(self, jobs: Mapping[int, Job], directory: Path) -> Mapping[int, Outcome]:
        return in_processes(jobs, directory, at_once=self.at_once, devices=self.devices)


class Slurm(ProcessLauncher):
    """`hydra/launcher=slurm`: each job as `nodes` × `tasks` ranks of a Slurm cluster.

    Args:
        nodes: Nodes of a job.
        tasks: Ranks on each node.
        gpus: GPUs on each node; null on a cluster without.
        cores: Cores of each rank; null leaves it to Slurm.
        memory: Memory of each node, such as 64GB; null leaves it to Slurm.
        minutes: Time limit of a job. Training saves two minutes before it.
        partition: Slurm partition; null for the default.
        account: Slurm account; null for the default.
        qos: Slurm quality of service; null for the default.
        requeue: Whether a job that saved at its time limit is queued again and resumes.
        at_once: Jobs of the array that run at the same time.
        setup: Lines of shell to run before each job, such as module load.
    """

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

    def run_jobs(self, jobs: Mapping[int, Job], directory: Path) -> Mapping[int, Outcome]:
        return on_slurm(jobs, directory, run=run_sweep_job, parameters=self.parameters)
