"""What a step's completions were like: sums over all ranks, from which metrics follow, and when nothing varies."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lm.policy.rollout import Rollout

NAMES = (
    "completions",
    "scorable",
    "reward",
    "tokens",
    "truncated",
    "empty",
    "groups",
    "equal",
    "not_finite",
    "squares",
)


@dataclass(frozen=True)
class Ledger:
    """Sums over completions: of this rank, or of all ranks."""

    sums: Tensor  # NAMES, then three per reward: how often it scored, its sum, and that of its squares
    rewards: Sequence[str]  # names of the rewards

    @classmethod
    def of(cls, rollouts: Sequence[Rollout], *, group_size: int, advantages: Tensor) -> "Ledger":
        """Count the completions of this rank, which stand in groups."""
        scored = [each.reward for each in rollouts if each.reward is not None]
        groups = [rollouts[start : start + group_size] for start in range(0, len(rollouts), group_size)]
        sums = [
            len(rollouts),
            len(scored),
            math.fsum(scored),
            sum(each.generated for each in rollouts),
            sum(not each.finished for each in rollouts),
            sum(not each.text.strip() for each in rollouts),
            len(groups),
            sum(len({each.reward for each in group if each.reward is not None}) < 2 for group in groups),
            int((~advantages.isfinite()).sum()),
            math.fsum(value * value for value in scored),
        ]
        names = [*rollouts[0].parts]
        for name in names:
            known = [value for each in rollouts if (value := each.parts[name]) is not None]
            sums += [len(known), math.fsum(known), math.fsum(value * value for value in known)]
        return cls(torch.tensor(sums, dtype=torch.float64), names)

    def over_ranks(self, add: Callable[[Tensor], Tensor]) -> "Ledger":
        return Ledger(add(self.sums), self.rewards)

    def __getitem__(self, name: str) -> float:
        return float(self.sums[NAMES.index(name)])

    def part(self, name: str) -> tuple[float, float, float]:
        """How often a reward scored, its sum and that of its squares."""
        start = len(NAMES) + 3 * self.rewards.index(name)
        return tuple(self.sums[start : start + 3].tolist())

    def metrics(self, whole: "Ledger") -> dict[str, float]:
        """What this rank adds to the metrics of the step, of which `whole` has the sums over all ranks."""
        completions, groups = whole["completions"], whole["groups"]
        found = {"reward/mean": self["reward"] / max(1.0, whole["scorable"])}
        for name in self.rewards:
            found[f"reward/{name}"] = self.part(name)[1] / max(1.0, whole.part(name)[0])
        return found | {
            "response_length": self["tokens"] / completions,
            "share/truncated": self["truncated"] / completions,
            "share/empty": self["empty"] / completions,
            "share/stopped": (self["completions"] - self["truncated"]) / completions,
            "share/unscorable": (self["completions"] - self["scorable"]) / completions,
            "share/zero_variance": self["equal"] / groups,
        }

    def nothing_varies(self, *, within_groups: bool) -> bool:
        """Whether equal rewards leave nothing to learn: within every group, or else over all completions."""
        if within_groups:
            return self["equal"] == self["groups"]
        return _constant(self["scorable"], self["reward"], self["squares"])

    def describe_constant(self) -> str:
        """The rewards that are equal for all completions, and their values: `exact is 0`."""
        found = []
        for name in self.rewards:
            count, total, squares = self.part(name)
            if not count:
                found.append(f"{name} scores nothing")
            elif _constant(count, total, squares):
                found.append(f"{name} is {total / count:g} for every answer")
        return ", ".join(found) or "no reward varies within the answers to one prompt"


def _constant(count: float, total: float, squares: float) -> bool:
    return count == 0 or squares / count - (total / count) ** 2 <= 1e-12 * max(1.0, squares / count)


@dataclass
class Stillness:
    """Steps in a row in which no reward varied.

    Args:
        patience: Steps in a row after which the run stops; None never stops it.
        solved: Mean reward from which a task that was learned counts as solved, which stops nothing.
    """

    patience: int | None
    solved: float
    steps: int = 0
    varied: bool = False  # whether any earlier step had something to learn

    def watch(self, ledger: Ledger, *, within_groups: bool) -> None:
        """Count a step.

        Raises:
            ValueError: Nothing has varied for `patience` steps; with the rewards and their values.
        """
        if not ledger.nothing_varies(within_groups=within_groups):
            self.steps, self.varied = 0, True
            return
        self.steps += 1
        mean = ledger["reward"] / max(1.0, ledger["scorable"])
        learned = self.varied and ledger["scorable"] and mean >= self.solved
        if self.patience is None or self.steps < self.patience or learned:
            return
        raise ValueError(
            f"the reward has not varied for {self.steps} steps, so nothing was learned: {ledger.describe_constant()}. "
            "Look at samples.txt; take easier prompts, a reward with more steps, a model that already solves some, "
            "more temperature or a larger objective.group_size; objective.patience=null continues all the same"
        )
