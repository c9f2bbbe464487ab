"""The runs of a study: its stages for each recipe, learning rate and seed, each run once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm.config.check import check

SEED, ARM, RATE = "{seed}", "{arm}", "{rate}"
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """A cell of a study.

    Args:
        seed: Seed of its stages.
        arm: The recipe; "" where the study has none.
        rate: Learning rate; None where each stage has its own.
    """

    seed: int
    arm: str = ""
    rate: float | None = None

    def __str__(self) -> str:
        rate = "" if self.rate is None else f"rate {self.rate:g}"
        return ", ".join(filter(None, [self.arm, rate, f"seed {self.seed}"]))

    def fill(self, value: Any) -> Any:
        """A plain value in whose strings the placeholders stand for this trial."""
        if isinstance(value, Mapping):
            return {key: self.fill(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        if isinstance(value, str):
            for mark, text in self.marks.items():
                value = value.replace(mark, text)
        return value

    @property
    def marks(self) -> dict[str, str]:
        """Placeholder → what stands for it."""
        marks = {SEED: str(self.seed)}
        if self.arm:
            marks[ARM] = self.arm
        if self.rate is not None:
            marks[RATE] = f"{self.rate:g}"
        return marks


@dataclass(frozen=True)
class StageRun:
    """A run that a study needs.

    Args:
        stage: Name of its stage.
        trial: The first trial that needs it.
        node: Its config.
    """

    stage: str
    trial: Trial
    node: Node

    def changes(self, *, restart: bool) -> dict[str, Any]:
        """What it has in place of the config of its stage."""
        changes = {key: value for key, value in self.node.items() if key != "_target_"}
        return {**changes, "run": {**changes["run"], "restart": restart}} if restart else changes


class Trials:
    """The trials of a study, seed by seed, and what each of its stages does in them.

    Args:
        stages: Plain config of each stage, in their order.
        seeds: Seeds.
        arms: Recipe → stage → what differs from its config; empty for one recipe.
        rates: Learning rates; empty for those of the stages.
        rated: Stages whose optimizer gets the learning rate.
    """

    def __init__(
        self,
        stages: Mapping[str, Node],
        *,
        seeds: Sequence[int],
        arms: Mapping[str, Mapping[str, Any]] | None = None,
        rates: Sequence[float] = (),
        rated: Sequence[str] = (),
    ):
        self.stages, self.seeds, self.arms, self.rates, self.rated = stages, seeds, arms or {}, rates, rated

    def __iter__(self) -> Iterator[Trial]:
        for seed in self.seeds:
            for arm in self.arms or [""]:
                for rate in self.rates or [None]:
                    yield Trial(seed, arm, rate)

    def node(self, stage: str, trial: Trial) -> Node:
        """The config of a stage in a trial."""
        node = merged(self.stages[stage], self.arms.get(trial.arm, {}).get(stage, {}))
        if stage in self.rated and trial.rate is not None:
            node = merged(node, {"optimizer": {"learning_rate": trial.rate}})
        if "seed" in node and SEED in _place(node):  # a stage that all seeds share keeps its own
            node = {**node, "seed": trial.seed}
        return trial.fill(node)

    def directory(self, stage: str, trial: Trial) -> Path:
        """The run of a stage in a trial."""
        return Path(_place(self.node(stage, trial)))

    def runs(self) -> list[StageRun]:
        """Every run, once, in an order in which each follows those that it reads.

        Raises:
            ValueError: Trials that differ in what a stage does would share its directory.
        """
        found: dict[Path, StageRun] = {}
        for trial in self:
            for name in self.stages:
                run = StageRun(name, trial, self.node(name, trial))
                first = found.setdefault(Path(_place(run.node)), run)
                if first.node != run.node:
                    raise ValueError(self._conflict(first, run))
        return [*found.values()]

    def check(self) -> None:
        """Raise ValueError for changes of recipes that do not fit their stages, all at once."""
        faults = []
        for arm, changes in self.arms.items():
            trial = Trial(self.seeds[0], arm, next(iter(self.rates), None))
            faults += [f"arms.{arm}.{stage}.{fault}" for stage in changes for fault in check(self.node(stage, trial))]
        if faults:
            raise ValueError("\n".join(faults))

    def restarts(self, run: StageRun) -> bool:
        """Whether a study that starts again makes this run again, which is not for all trials alike."""
        return any(mark in _place(self.stages[run.stage]) for mark in (SEED, ARM, RATE))

    def _conflict(self, first: StageRun, other: StageRun) -> str:
        if first.stage != other.stage:
            return f"stages.{first.stage} and stages.{other.stage} have one directory: {_place(other.node)}"
        place, one, two = _place(self.stages[other.stage]), first.trial.marks, other.trial.marks
        missing = [mark for mark in two if one[mark] != two[mark] and mark not in place]
        return (
            f"stages.{other.stage} differs between {first.trial} and {other.trial}, but both are the run "
            f"{_place(other.node)}: add {' and '.join(missing)} to stages.{other.stage}.run.root"
        )


def merged(node: Any, changes: Any) -> Any:
    """A config with changes: mappings are joined key by key, and anything else, or another `_target_`, replaces."""
    both = isinstance(node, Mapping) and isinstance(changes, Mapping)
    if not both or changes.get("_target_", node.get("_target_")) != node.get("_target_"):
        return changes
    return {**node, **{key: merged(node.get(key), value) for key, value in changes.items()}}


def _place(node: Node) -> str:
    run = node["run"]
    return Path(run["root"], run["job"], run["name"]).as_posix()
