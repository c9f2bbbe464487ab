"""Learn from rewards: roll out prompts with the policy, score the answers, and make the better ones likelier.

Legend: B prompts of a micro-batch  G completions of a prompt  R = B × G rows  T tokens of a completion
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lm.batch import Batch, PromptBatch
from lm.bounds import Count, NonNegative, Positive
from lm.generation import Sampling, random_generator
from lm.model.dropout import switch_off_dropout
from lm.objective.objective import Objective
from lm.parallel import placement_of
from lm.policy.advantage import Advantage, Scored
from lm.policy.batch import PolicyBatch
from lm.policy.check import Part, check_parts
from lm.policy.clipping import clipped_value_loss
from lm.policy.kept_rollouts import KeptRollouts
from lm.policy.kl import Penalty, k3
from lm.policy.ledger import Ledger, Stillness
from lm.policy.log_probabilities import entropies, in_columns, sampled_log_probabilities
from lm.policy.micro_batch import padded, stacked, table
from lm.policy.rollout import Asker, Rollout, with_tools
from lm.policy.validation import Validation
from lm.process.ranks import data_share
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
        self._kept = KeptRollouts()
        self.seed = 0

    def begin(self, rows: Any, *, seed: int) -> None:
        if not rows.asked:
            raise ValueError("objective=policy answers prompts, and data has none: set data=prompts")
        missing = [prompt.place for prompt in rows.asked if prompt.reference is None]
        if self.reward.needs_reference and missing:
            raise ValueError(
                f"objective.reward compares answers with a reference, and {len(missing)} of {len(rows.asked)} prompts "
                f"have none (the first: {missing[0]}): take other data, or a reward that needs none, or set "
                "objective.reward.skip_unscorable=true"
            )
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
        rollouts = self._take(batches)
        made = [
            self._micro_batch(each, device=batch.tokens.device) for each, batch in zip(rollouts, batches, strict=True)
        ]
        every = [rollout for each in rollouts for rollout in each]
        mask = stacked([batch.mask.cpu() for batch in made])
        scored = Scored(
            rewards=torch.tensor([float("nan") if each.reward is None else each.reward for each in every]).double(),
            penalties=self._penalties(every, made, mask),
            mask=mask,
            finished=torch.tensor([each.finished for each in every]),
            group_size=self.group_size,
            values=table([each.values for each in every], mask) if self.advantage.needs_values else None,
        )
        advantages, returns = self.advantage(scored, over_ranks=self._summed)
        mine = Ledger.of(every, group_size=self.group_size, advantages=advantages)
        whole = mine.over_ranks(self._summed)
        if whole["not_finite"]:
            raise ValueError(
                f"step {self.global_step + 1}: {whole['not_finite']:.0f} advantages are not finite: lower the learning "
                "rate, or look at the rewards in samples.txt"
            )
        self.stillness.watch(whole, within_groups=self.advantage.compares_groups)
        for name, part in mine.metrics(whole).items():
            self.record(name, torch.tensor(part, dtype=torch.float64))
        return self._finished(made, every, advantages=advantages, returns=returns, values=scored.values)

    def summed_loss(self, batch: Batch) -> Tensor:
        """The loss summed over the completions of a micro-batch; metrics of training are recorded."""
        if isinstance(batch, PromptBatch):
            batch = self._outline(batch)
        hidden = self.model.hidden(batch.tokens)[batch.supervised]
        chosen = batch.targets[batch.supervised]
        new = in_columns(
            sampled_log_probabilities(hidden, self.model.output_weight, chosen, sampling=self.sampling), batch.mask
        )
        old = new.detach() if batch.old is None else batch.old
        losses, off = self.clipping(self.ratio(new, old, batch.mask), batch.advantages, new)
        if self.kl is not None and not self.kl.in_reward:
            losses = losses + self.kl.coefficient * self.kl.estimator(new, batch.reference, old)
        if batch.values is not None:
            values = in_columns(self._values(hidden), batch.mask)
            worth = clipped_value_loss(values, batch.values, batch.returns, clip=self.value_clip)
            losses = losses + self.value_weight * worth
            self.record("value_loss", worth.where(batch.mask, 0).sum() / batch.counted)
        entropy = entropies(hidden.detach(), self.model.output_weight, chosen, sampling=self.sampling)
        self.record("entropy", entropy.sum() / batch.counted)
        self.record("clip_fraction", (off & batch.mask).sum() / batch.counted)
        if batch.reference is not None:
            self.record("kl", k3(new, batch.reference, old).where(batch.mask, 0).sum() / batch.counted)
        return (losses.where(batch.mask, 0) * batch.weights).sum()

    def add_validation(self, batch: PromptBatch, sums: Tensor) -> None:
        numbers = batch.prompt[batch.supervised.any(-1)].tolist()
        if not numbers:
            return
        samples = self._validation.samples
        drawn = [
            (number, random_generator(self.seed, -1, number, sample)) for number in numbers for sample in range(samples)
        ]
        greedy = self.ask(
            self.model,
            numbers,
            sampling=Sampling(temperature=0),
            generators=[random_generator(0)] * len(numbers),
        )
        sampled = self.ask(
            self.model,
            [number for number, _ in drawn],
            sampling=self.sampling,
            generators=[generator for _, generator in drawn],
        )
        self._validation.add(sums, self.ask.asked, greedy, sampled)
        self._validation.show(self.ask.asked, greedy, sampled)

    def summarize(self, sums: Tensor) -> dict[str, float]:
        """Rewards, pass@k and lengths on the held-out prompts, over all and by task."""
        return self._validation.summarize(sums)

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
            "rollouts": sorted(self._gathered(self._kept.plain(self.global_step)), key=lambda each: each[:2]),
        }

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        super().on_load_checkpoint(checkpoint)
        state = checkpoint["policy"]
        self.stillness.steps, self.stillness.varied = state["still"], state["varied"]
        self._kept = KeptRollouts.of(state["rollouts"])

    def _take(self, batches: list[PromptBatch]) -> list[list[Rollout]]:
        """The completions of each micro-batch, R each."""
        step = self.global_step
        places = self._places(batches)
        if not self._kept.has(step, places):
            self._roll_out({step: batches} | self._following(step))
        return self._kept.take(step, places)

    def _following(self, step: int) -> dict[int, list[PromptBatch]]:
        """This rank's micro-batches of the later steps that share the rollout of `step`."""
        if self.steps_per_rollout == 1 or self._trainer is None:
            return {}
        data_plan = self.trainer.datamodule.data_plan
        batches, micro = data_plan.training_batches(data_share(self.trainer)[1]), data_plan.plan.accumulate
        end = min(step - step % self.steps_per_rollout + self.steps_per_rollout, data_plan.plan.steps)
        device = self.trainer.strategy.root_device
        return {each: [batches[each * micro + m].to(device) for m in range(micro)] for each in range(step + 1, end)}

    def _places(self, batches: list[PromptBatch]) -> list[list[int]]:
        """The place of each prompt in the whole step, which is the same for every partition."""
        ranks, rank = (1, 0) if self._trainer is None else data_share(self.trainer)
        size = len(batches[0].prompt)
        return [[(micro * ranks + rank) * size + row for row in range(size)] for micro in range(len(batches))]

    def _roll_out(self, steps: dict[int, list[PromptBatch]]) -> None:
        """Answer the prompts of these steps and keep the answers."""
        rows = [
            (step, place, int(number))
            for step, batches in steps.items()
            for batch, places in zip(batches, self._places(batches), strict=True)
            for number, place in zip(batch.prompt, places, strict=True)
        ]
        answers = [(*row, sample) for row in rows for sample in range(self.group_size)]
        rollouts = self.ask(
            self.model,
            [number for _, _, number, _ in answers],
            sampling=self.sampling,
            generators=[random_generator(self.seed, step, place, sample) for step, place, _, sample in answers],
        )
        penalised = self.kl is not None and self.kl.in_reward
        if self.steps_per_rollout > 1 or penalised or self.advantage.needs_values:
            self._measure(rollouts, rows=self.group_size * len(next(iter(steps.values()))[0].prompt))
        for index, (step, place, _) in enumerate(rows):
            group = rollouts[index * self.group_size : (index + 1) * self.group_size]
            self._kept.keep(step, place, group)

    def _measure(self, rollouts: list[Rollout], *, rows: int) -> None:
        """Set the log-probabilities and values of completions by the weights of now."""
        for start in range(0, len(rollouts), rows):
            part = rollouts[start : start + rows]
            batch = padded(part, self.ask.asked, counts=[True] * len(part), padding=self.padding)
            batch = batch.to(self.model.output_weight.device)
            hidden = self.model.hidden(batch.tokens)[batch.supervised]
            log = self._log_probabilities(self.model, hidden, batch)
            values = self._values(hidden) if self.advantage.needs_values else hidden[:, 0]
            lengths = [rollout.generated for rollout in part]
            for rollout, old, worth in zip(part, log.split(lengths), values.split(lengths), strict=True):
                rollout.old = old.tolist()
                rollout.values = worth.tolist() if self.advantage.needs_values else ()

    def _log_probabilities(self, model: nn.Module, hidden: Tensor, batch: PolicyBatch) -> Tensor:
        chosen = batch.targets[batch.supervised]
        return sampled_log_probabilities(hidden, model.output_weight, chosen, sampling=self.sampling)

    def _values(self, hidden: Tensor) -> Tensor:
        return self.model.head(hidden).squeeze(-1)

    def _micro_batch(self, rollouts: list[Rollout], *, device: torch.device) -> PolicyBatch:
        """The rows of a micro-batch, with what the reference model says of them."""
        counts = [each.reward is not None and (each.finished or not self.mask_truncated) for each in rollouts]
        batch = padded(rollouts, self.ask.asked, counts=counts, padding=self.padding).to(device)
        for model in self._reference:
            hidden = model.hidden(batch.tokens)[batch.supervised]
            batch.reference = in_columns(self._log_probabilities(model, hidden, batch), batch.mask)
        return batch

    def _penalties(self, rollouts: list[Rollout], made: list[PolicyBatch], mask: Tensor) -> Tensor:
        """What each token costs as divergence from the reference, R T; 0 unless it is taken off the reward."""
        if self.kl is None or not self.kl.in_reward:
            return torch.zeros(mask.shape, dtype=torch.float64)
        old = table([each.old for each in rollouts], mask)
        reference = stacked([batch.reference.double().cpu() for batch in made])
        return (self.kl.coefficient * self.kl.estimator(old, reference, old)).where(mask, 0)

    def _finished(
        self,
        made: list[PolicyBatch],
        rollouts: list[Rollout],
        *,
        advantages: Tensor,
        returns: Tensor | None,
        values: Tensor | None,
    ) -> list[PolicyBatch]:
        """The micro-batches with all that the loss compares, and the denominator of the step."""
        dtype = torch.float64 if self.model.output_weight.dtype == torch.float64 else torch.float32
        aggregated = [self.aggregation(batch.mask.cpu().double()) for batch in made]
        counts = torch.stack(
            [torch.stack([count, batch.mask.cpu().sum()]) for (_, count), batch in zip(aggregated, made, strict=True)]
        )
        denominator, counted = self._summed(counts.double().sum(0)).tolist()
        finished, start = [], 0
        for batch, (weights, _) in zip(made, aggregated, strict=True):
            rows, width = batch.mask.shape
            here = slice(start, start + rows)
            start += rows

            def cut(
                known: Tensor | None, here: slice = here, width: int = width, like: Tensor = batch.mask
            ) -> Tensor | None:
                return None if known is None else known[here, :width].to(like.device, dtype)

            old = table([each.old for each in rollouts[here]], batch.mask.cpu()) if self.steps_per_rollout > 1 else None
            finished.append(
                replace(
                    batch,
                    denominator=denominator or 1.0,
                    counted=counted or 1.0,
                    advantages=cut(advantages),
                    returns=cut(returns),
                    values=cut(values),
                    old=None if old is None else old.to(batch.mask.device, dtype),
                    weights=weights.to(batch.mask.device, dtype),
                )
            )
        return finished

    def _summed(self, values: Tensor) -> Tensor:
        return self.over_ranks(values).cpu()

    def _gathered(self, mine: list) -> list:
        """What all ranks have."""
        if (not mine and self.steps_per_rollout == 1) or self.trainer.world_size == 1:
            return mine
        parts: list[list] = [[] for _ in range(self.trainer.world_size)]
        torch.distributed.all_gather_object(parts, mine)
        return [each for part in parts for each in part]

    def _outline(self, batch: PromptBatch) -> PolicyBatch:
        """Completions of full length, of which only shapes count: for estimates on tensors without memory."""
        rows, width = len(batch.tokens) * self.group_size, batch.tokens.shape[1]
        length = min(self.max_tokens, width)
        tokens = batch.tokens.new_zeros(rows, width)
        places = torch.arange(rows * length)
        flat = torch.zeros(rows, length, dtype=self.model.output_weight.dtype)
        known = None if self.kl is None else flat
        values = flat if self.advantage.needs_values else None
        return PolicyBatch(
            tokens=tokens,
            targets=tokens,
            supervised=(places // length, places % length),
            denominator=1.0,
            mask=torch.ones(rows, length, dtype=torch.bool),
            advantages=flat,
            weights=flat,
            reference=known,
            values=values,
            returns=values,
        )


def frozen_copy(model: nn.Module) -> nn.Module:
    """Return a frozen copy of a model, which shares the weights that do not train, as beside an adapter."""
    shared = {id(weight): weight for weight in model.parameters() if not weight.requires_grad}
    return copy.deepcopy(model, shared).eval().requires_grad_(False)
