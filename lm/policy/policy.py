"""Learn from rewards: roll out prompts with the policy, score the answers, and make the better ones likelier.

Legend: B prompts of a micro-batch  G completions of a prompt  R = B × G rows  T tokens of a completion
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lm.batch import Batch, PromptBatch
from lm.bounds import Count, NonNegative, Positive
from lm.generation import Sampling
from lm.model.dropout import switch_off_dropout
from lm.model.experts import Routing
from lm.objective.balance import Usage
from lm.objective.objective import Objective
from lm.objective.reference import frozen_copy
from lm.parallel import placement_of
from lm.policy.advantage import Advantage
from lm.policy.batch import PolicyBatch
from lm.policy.check import Part, check_parts, check_prompts
from lm.policy.clipping import clipped_value_loss
from lm.policy.completions import Completions
from lm.policy.expert_usage import completion_usage
from lm.policy.kl import Penalty, k3
from lm.policy.ledger import Ledger, Stillness
from lm.policy.micro_batch import outline, padded
from lm.policy.rollout import Asker, Rollout, with_tools
from lm.policy.scores import Scores
from lm.policy.step_rollouts import StepRollouts
from lm.policy.validation import Validation
from lm.reward import RewardSum
from lm.tools import Tool, Toolbox


class Policy(Objective):
    """Reinforcement learning from rewards: GRPO and its relatives, REINFORCE++ and PPO, by its parts.

    Before an optimizer step the policy answers the step's prompts `group_size` times each, rewards score the answers,
    and every token gets an advantage. The draws of an answer follow from (seed, step, place of the prompt in the step,
    number of the answer), so ranks and micro-batches change nothing. Log-probabilities are those of the filtered and
    tempered distribution that the tokens were drawn from. Dropout is off. The best checkpoint is the one of the highest
    reward on held-out prompts.

    Args:
        model: The network to train, a `Transformer`.
        reward: Scores answers; its parts are logged by name.
        advantage: How much better than expected each token is; see objective/advantage.
        ratio: Likelihood of a completion by the policy over that by the weights that generated it; see objective/ratio.
        clipping: Loss of each token by ratio and advantage, and how far a step may go; see objective/clipping.
        aggregation: What the loss of a step is the mean of; see objective/aggregation.
        sampling: How tokens are drawn. Temperature 1 without filters is the policy itself.
        kl: Price of the divergence from the model before this training, see objective/kl; null loads no reference.
        group_size: Answers to each prompt of a step.
        max_tokens: Tokens of an answer, the end token included, at most.
        mask_truncated: Whether answers cut at `max_tokens` are left out of the loss; their rewards still count in the
            baseline of their group.
        steps_per_rollout: Optimizer steps whose prompts are answered at once, with the weights before the first of
            them. 1 is on-policy; with more, generation has larger batches and the clipping limits the drift.
        rollout_rows: Answers generated at once; changes speed and memory only.
        value_weight: Weight of the loss of the value head, where the advantage needs one.
        value_clip: How far a value may move in one rollout and still lower its loss; null for no limit.
        validation_samples: Answers drawn for each held-out prompt, for mean reward and pass@k; a greedy one is added.
        solved: Least reward of an answer that solves its prompt, in pass@k.
        patience: Steps in a row without a difference in reward after which the run stops; null never stops it.
        tools: Tools that answers may call, by a name of yours; their results count towards `max_tokens` and get no
            gradient. Null for none.
        max_calls: Most calls of tools in one answer.
        optimizer: Factory of the optimizer; called with the network.
        schedule: Factor of the learning rate as a function of (step, steps).
        steps: Optimizer steps of the whole run.
        kinds: Names of the tasks that validation reports one by one.
        gradient_clip: Largest norm of the gradient; null does not clip.

    Raises:
        ValueError: A group too small for the advantage, parts that do not fit each other, a sampling that draws
            nothing, or no value head where one is needed.
    """

    metric = "validation/reward/mean"
    mode: Literal["min", "max"] = "max"
    reads: ClassVar[tuple[type[Batch], ...]] = (PromptBatch,)

    def __init__(
        self,
        model: nn.Module,
        *,
        reward: RewardSum,
        advantage: Advantage,
        ratio: Part,
        clipping: Part,
        aggregation: Part,
        sampling: Sampling,
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., float],
        steps: int,
        kl: Penalty | None = None,
        group_size: Count = 8,
        max_tokens: Count = 64,
        mask_truncated: bool = False,
        steps_per_rollout: Count = 1,
        rollout_rows: Count = 256,
        value_weight: NonNegative = 0.5,
        value_clip: Positive | None = 0.2,
        validation_samples: Count = 4,
        solved: float = 1.0,
        patience: Count | None = 30,
        tools: Mapping[str, Tool] | None = None,
        max_calls: Count = 8,
        kinds: Sequence[str] = (),
        gradient_clip: Positive | None = 1.0,
    ):
        super().__init__(
            model, optimizer=optimizer, schedule=schedule, steps=steps, kinds=kinds, gradient_clip=gradient_clip
        )
        check_parts(advantage, ratio, aggregation, sampling, group_size=group_size)
        one = torch.ones(1, 1)
        clipping(one, one, one)  # refuses what is out of bounds
        if advantage.needs_values and getattr(model, "head", None) is None:
            raise ValueError("objective.advantage needs the values of a value head: set model/head=scalar")
        switch_off_dropout(model)
        self._answered: Sequence[Rollout] = ()
        self.reward, self.advantage, self.ratio, self.clipping = reward, advantage, ratio, clipping
        self.aggregation, self.sampling, self.kl = aggregation, sampling, kl
        self.group_size, self.max_tokens, self.mask_truncated = group_size, max_tokens, mask_truncated
        self.steps_per_rollout, self.rollout_rows = steps_per_rollout, rollout_rows
        self.value_weight, self.value_clip = value_weight, value_clip
        self.toolbox = Toolbox([*tools.values()], max_calls=max_calls) if tools else None
        self._reference = [] if kl is None else [frozen_copy(model)]  # in a list: no submodule of this one
        self.stillness = Stillness(patience, solved)
        self._validation = Validation(self.kinds, rewards=[*reward.parts], samples=validation_samples, solved=solved)
        self.validation_sums = self._validation.size
        self.seed = 0

    def begin(self, rows: Any, *, seed: int) -> None:
        check_prompts(rows.asked, self.reward)
        self.seed, self.padding = seed, rows.tokenizer.padding
        asked = rows.asked
        if self.toolbox is not None:
            asked = with_tools(
                asked, self.toolbox, template=rows.template, tokenizer=rows.tokenizer, context=self.model.context
            )
        self.ask = Asker(
            asked,
            rows.tokenizer,
            rows.template,
            self.reward,
            max_tokens=self.max_tokens,
            rows=self.rollout_rows,
            toolbox=self.toolbox,
        )
        self._rollouts = StepRollouts(
            self.ask,
            sampling=self.sampling,
            group_size=self.group_size,
            steps_per_rollout=self.steps_per_rollout,
            seed=seed,
        )

    def setup(self, stage: str) -> None:
        placement = placement_of(self.trainer.strategy)
        if placement.is_sharded or placement.tensor_parallel_size > 1:
            raise ValueError(
                f"objective=policy generates on each rank, which needs the whole weights there, and "
                f"{placement.description} shards them: set trainer=ddp"
            )
        convert, device = self.trainer.precision_plugin.convert_module, self.trainer.strategy.root_device
        self._reference = [convert(model).to(device) for model in self._reference]

    def prepare_step(self, batches: list[PromptBatch]) -> list[PolicyBatch]:
        """Roll out the prompts of a step, or take what an earlier rollout kept, and score every token."""
        step, trainer = self.global_step, self._trainer  # None while a step is timed
        measure = self._measure if self._measures else None
        taken = self._rollouts.take(self.model, batches, step=step, trainer=trainer, measure=measure)
        self._answered = [rollout for each in taken for rollout in each]
        completions = Completions(
            [self._rows(each, device=batch.tokens.device) for each, batch in zip(taken, batches, strict=True)],
            [rollout for each in taken for rollout in each],
        )
        scored = completions.scored(kl=self.kl, group_size=self.group_size, values=self.advantage.needs_values)
        advantages, returns = self.advantage(scored, over_ranks=self._summed)
        self._enter(Ledger.of(completions.rollouts, group_size=self.group_size, advantages=advantages))
        return completions.finish(
            scored,
            advantages=advantages,
            returns=returns,
            aggregation=self.aggregation,
            compares_old=self.steps_per_rollout > 1,
            summed=self._summed,
            dtype=self._loss_dtype,
        )

    def summed_loss(self, batch: Batch) -> Tensor:
        """The loss summed over the completions of a micro-batch; metrics of training are recorded."""
        if isinstance(batch, PromptBatch):
            batch = self._outline(batch)
        scores = Scores(self.model, batch, sampling=self.sampling)
        new, entropies = scores.log_probabilities_and_entropies()
        old = new.detach() if batch.old is None else batch.old
        losses, off = self.clipping(self.ratio(new, old, batch.mask), batch.advantages, new)
        if self.kl is not None and not self.kl.in_reward:
            losses = losses + self.kl.coefficient * self.kl.estimator(new, batch.reference, old)
        if batch.values is not None:
            worth = clipped_value_loss(scores.values(), batch.values, batch.returns, clip=self.value_clip)
            losses = losses + self.value_weight * worth
            self.record("value_loss", worth.where(batch.mask, 0).sum() / batch.counted)
        self.record("entropy", entropies.sum() / batch.counted)
        self.record("clip_fraction", (off & batch.mask).sum() / batch.counted)
        if batch.reference is not None:
            self.record("kl", k3(new, batch.reference, old).where(batch.mask, 0).sum() / batch.counted)
        return (losses.where(batch.mask, 0) * batch.weights).sum()

    def expert_usage(self, batch: Batch, passes: list[list[Routing]]) -> tuple[Usage, Tensor]:
        """Count a prompt for each of its completions, which read it once together."""
        return completion_usage(batch, passes)

    def add_validation(self, batch: PromptBatch, sums: Tensor) -> None:
        numbers = batch.prompt[batch.supervised.any(-1)].tolist()
        if numbers:
            self._validation.answer(self.ask, self.model, numbers, sampling=self.sampling, seed=self.seed, sums=sums)

    def summarize(self, sums: Tensor) -> dict[str, float]:
        """Rewards, pass@k and lengths on the held-out prompts, over all and by task."""
        return self._validation.summarize(sums)

    @property
    def answered(self) -> list[dict[str, Any]]:
        return [each.record(self.ask.asked[each.prompt]) for each in self._answered]

    @property
    def replies(self) -> list[str]:
        return self._validation.shown

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._validation.shown.clear()

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["policy"] = {
            "still": self.stillness.steps,
            "varied": self.stillness.varied,
            "rollouts": self._rollouts.plain(self.global_step, self.trainer),
        }

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        super().on_load_checkpoint(checkpoint)
        state = checkpoint["policy"]
        self.stillness.steps, self.stillness.varied = state["still"], state["varied"]
        self._rollouts.restore(state["rollouts"])

    @property
    def _measures(self) -> bool:
        """Whether log-probabilities or values by the weights that generate have to be known before training."""
        penalised = self.kl is not None and self.kl.in_reward
        return self.steps_per_rollout > 1 or penalised or self.advantage.needs_values

    @property
    def _loss_dtype(self) -> torch.dtype:
        return torch.float64 if self.model.projection.weight.dtype == torch.float64 else torch.float32

    def _measure(self, rollouts: list[Rollout], rows: int) -> None:
        """Set the log-probabilities and values of completions by the weights of now, `rows` at once."""
        for start in range(0, len(rollouts), rows):
            part = rollouts[start : start + rows]
            batch = padded(part, self.ask.asked, counts=[True] * len(part), padding=self.padding)
            scores = Scores(self.model, batch.to(self.model.projection.weight.device), sampling=self.sampling)
            lengths = [rollout.generated for rollout in part]
            for rollout, old in zip(part, scores.flat_log_probabilities().split(lengths), strict=True):
                rollout.old = old.tolist()
            if self.advantage.needs_values:
                for rollout, values in zip(part, scores.flat_values().split(lengths), strict=True):
                    rollout.values = values.tolist()

    def _rows(self, rollouts: list[Rollout], *, device: torch.device) -> PolicyBatch:
        """The rows of a micro-batch, with what the reference model says of them."""
        counts = [each.reward is not None and (each.finished or not self.mask_truncated) for each in rollouts]
        batch = padded(rollouts, self.ask.asked, counts=counts, padding=self.padding).to(device)
        for model in self._reference:
            batch.reference = Scores(model, batch, sampling=self.sampling).log_probabilities()
        return batch

    def _enter(self, mine: Ledger) -> None:
        """Record what was rolled out, and stop a run that cannot learn.

        Raises:
            ValueError: Advantages are not finite, or no reward has differed for `patience` steps.
        """
        whole = mine.over_ranks(self._summed)
        if whole["not_finite"]:
            raise ValueError(
                f"step {self.global_step + 1}: {whole['not_finite']:.0f} advantages are not finite: lower the learning "
                "rate, or look at the rewards in samples.txt"
            )
        self.stillness.watch(whole, within_groups=self.advantage.compares_groups)
        for name, part in mine.metrics(whole).items():
            self.record(name, torch.tensor(part, dtype=torch.float64))

    def _summed(self, values: Tensor) -> Tensor:
        return self.over_ranks(values).cpu()

    def _outline(self, batch: PromptBatch) -> PolicyBatch:
        return outline(
            batch,
            group_size=self.group_size,
            max_tokens=self.max_tokens,
            dtype=self.model.projection.weight.dtype,
            reference=self.kl is not None,
            values=self.advantage.needs_values,
        )
