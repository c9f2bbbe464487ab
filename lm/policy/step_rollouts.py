"""The rollouts of an optimizer step: which draws answer which prompts, whatever the ranks and micro-batches."""

from collections.abc import Callable

import torch
from lightning import Trainer
from torch import nn

from lm.batch import PromptBatch
from lm.generation import Sampling, random_generator
from lm.policy.kept_rollouts import KeptRollouts
from lm.policy.rollout import Asker, Rollout
from lm.process.ranks import data_share

Measure = Callable[[list[Rollout], int], None]  # rollouts, rows at once: sets what the weights of now say of them


class StepRollouts:
    """Answers the prompts of a step, or takes the answers that an earlier step's rollout kept for it.

    The draws of an answer follow from (seed, step, place of the prompt in the whole step, number of the answer).

    Args:
        ask: Answers prompts.
        sampling: How tokens are drawn.
        group_size: Answers to each prompt.
        steps_per_rollout: Steps whose prompts are answered at once.
        seed: Seed of the run.
    """

    def __init__(self, ask: Asker, *, sampling: Sampling, group_size: int, steps_per_rollout: int, seed: int):
        self.ask, self.sampling, self.seed = ask, sampling, seed
        self.group_size, self.steps_per_rollout = group_size, steps_per_rollout
        self._kept = KeptRollouts()

    def take(
        self,
        model: nn.Module,
        batches: list[PromptBatch],
        *,
        step: int,
        trainer: Trainer | None,
        measure: Measure | None,
    ) -> list[list[Rollout]]:
        """Return the rollouts of each micro-batch, R each, and forget them.

        Args:
            model: The policy.
            batches: This rank's micro-batches of the step.
            step: Number of steps done.
            trainer: The trainer of the run; None while a step is timed.
            measure: Called once with new rollouts, before their weights train; None where nothing has to be known.
        """
        share = (1, 0) if trainer is None else data_share(trainer)
        places = _places(batches, *share)
        if not self._kept.has(step, places):
            self._roll_out(model, {step: batches} | self._following(step, trainer), share=share, measure=measure)
        return self._kept.take(step, places)

    def plain(self, step: int, trainer: Trainer) -> list[tuple]:
        """Return what all ranks keep for `step` and later ones as plain data, in order of steps and places."""
        mine = self._kept.plain(step)
        if (mine or self.steps_per_rollout > 1) and trainer.world_size > 1:
            parts: list[list] = [[] for _ in range(trainer.world_size)]
            torch.distributed.all_gather_object(parts, mine)
            mine = [each for part in parts for each in part]
        return sorted(mine, key=lambda each: each[:2])

    def restore(self, plain: list[tuple]) -> None:
        """Keep the rollouts of a checkpoint."""
        self._kept = KeptRollouts.of(plain)

    def _following(self, step: int, trainer: Trainer | None) -> dict[int, list[PromptBatch]]:
        """This rank's micro-batches of the later steps that share the rollout of `step`."""
        if self.steps_per_rollout == 1 or trainer is None:
            return {}
        data_plan = trainer.datamodule.data_plan
        batches, micro = data_plan.training_batches(data_share(trainer)[1]), data_plan.plan.accumulate
        end = min(step - step % self.steps_per_rollout + self.steps_per_rollout, data_plan.plan.steps)
        device = trainer.strategy.root_device
        return {each: [batches[each * micro + m].to(device) for m in range(micro)] for each in range(step + 1, end)}

    def _roll_out(
        self,
        model: nn.Module,
        steps: dict[int, list[PromptBatch]],
        *,
        share: tuple[int, int],
        measure: Measure | None,
    ) -> None:
        """Answer the prompts of these steps and keep the answers."""
        rows = [
            (step, place, int(number))
            for step, batches in steps.items()
            for batch, places in zip(batches, _places(batches, *share), strict=True)
            for number, place in zip(batch.prompt, places, strict=True)
        ]
        answers = [(*row, sample) for row in rows for sample in range(self.group_size)]
        rollouts = self.ask(
            model,
            [number for _, _, number, _ in answers],
            sampling=self.sampling,
            generators=[random_generator(self.seed, step, place, sample) for step, place, _, sample in answers],
        )
        if measure is not None:
            measure(rollouts, self.group_size * len(next(iter(steps.values()))[0].prompt))
        for index, (step, place, _) in enumerate(rows):
            group = rollouts[index * self.group_size : (index + 1) * self.group_size]
            self._kept.keep(step, place, group)


def _places(batches: list[PromptBatch], ranks: int, rank: int) -> list[list[int]]:
    """The place of each prompt in the whole step, which is the same for every partition."""
    size = len(batches[0].prompt)
    return [[(micro * ranks + rank) * size + row for row in range(size)] for micro in range(len(batches))]
