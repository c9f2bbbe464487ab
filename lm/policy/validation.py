"""Rewards and pass@k on held-out prompts, as sums over prompts and by task."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lm.conversation import Prompt
from lm.generation import Sampling, random_generator
from lm.interval import wilson_interval
from lm.policy.rollout import Asker, Rollout
from lm.reward.passes import budgets, pass_at

SHOWN = 4  # prompts whose answers are kept to be shown


class Validation:
    """What the answers to held-out prompts add up to.

    Args:
        kinds: Tasks that are reported one by one.
        rewards: Names of the rewards.
        samples: Answers drawn for each prompt.
        solved: Least reward of an answer that solves its prompt.
    """

    def __init__(self, kinds: Sequence[str], *, rewards: Sequence[str], samples: int, solved: float):
        self.kinds, self.rewards, self.samples, self.solved = list(kinds), list(rewards), samples, solved
        self.ks = budgets(samples)
        self.shown: list[str] = []
        self.names = [
            "prompts",
            "greedy solved",
            "scorable greedy",
            "greedy reward",
            "scorable",
            "reward",
            "answers",
            "tokens",
            "truncated",
            *(f"pass {k}" for k in self.ks),
            *(f"{which} {name}" for name in self.rewards for which in ("scored", "part")),
        ]

    @property
    def size(self) -> int:
        return len(self.names)

    def answer(
        self, ask: Asker, model: nn.Module, numbers: Sequence[int], *, sampling: Sampling, seed: int, sums: Tensor
    ) -> None:
        """Answer prompts, once greedily and `samples` times by draws, and add them to `sums`; show the first ones.

        Args:
            ask: Answers prompts.
            model: The policy.
            numbers: Numbers of the prompts.
            sampling: How tokens are drawn.
            seed: Seed of the run; the draws follow from it, the prompt and the number of the answer.
            sums: Table that is added to, fp64 [size, kinds].
        """
        answers = [(number, sample) for number in numbers for sample in range(self.samples)]
        greedy = ask(model, numbers, sampling=Sampling(temperature=0), generators=[random_generator(0)] * len(numbers))
        sampled = ask(
            model,
            [number for number, _ in answers],
            sampling=sampling,
            generators=[random_generator(seed, -1, *answer) for answer in answers],
        )
        self.add(sums, ask.asked, greedy, sampled)
        self.show(ask.asked, greedy, sampled)

    def add(self, sums: Tensor, asked: Sequence[Prompt], greedy: Sequence[Rollout], sampled: Sequence[Rollout]) -> None:
        """Add prompts to `sums`, fp64 [size, kinds]: one greedy answer and `samples` drawn ones of each."""
        for number, first in enumerate(greedy):
            drawn = sampled[number * self.samples : (number + 1) * self.samples]
            known = [each.reward for each in drawn if each.reward is not None]
            solved = sum(reward >= self.solved for reward in known)
            column = [
                1,
                first.reward is not None and first.reward >= self.solved,
                first.reward is not None,
                first.reward or 0.0,
                len(known),
                sum(known),
                len(drawn),
                sum(each.generated for each in drawn),
                sum(not each.finished for each in drawn),
                *(pass_at(k, completions=len(drawn), solved=solved) for k in self.ks),
            ]
            for name in self.rewards:
                parts = [value for each in drawn if (value := each.parts[name]) is not None]
                column += [len(parts), sum(parts)]
            task = asked[first.prompt].task
            kind = self.kinds.index(task) if task in self.kinds else 0
            sums[:, kind] += torch.tensor(column, dtype=torch.float64)

    def show(self, asked: Sequence[Prompt], greedy: Sequence[Rollout], sampled: Sequence[Rollout]) -> None:
        """Keep the first answers as text, with their rewards."""
        for number, first in enumerate(greedy[: SHOWN - len(self.shown)]):
            prompt = asked[first.prompt]
            lines = [f"{message.role:<6} {message.content}" for message in prompt.messages]
            lines += [] if prompt.reference is None else [f"right  {prompt.reference}"]
            lines += [f"greedy {_graded(first)}", f"drawn  {_graded(sampled[number * self.samples])}"]
            self.shown.append("\n".join(lines))

    def summarize(self, sums: Tensor) -> dict[str, float]:
        """Return the metrics over all prompts and by task, and the 95 % interval of the greedy passes."""
        named = {"": sums.sum(1)}
        if len(self.kinds) > 1:
            named |= {f"/{kind}": sums[:, number] for number, kind in enumerate(self.kinds)}
        metrics: dict[str, float] = {}
        for suffix, column in named.items():
            value = dict(zip(self.names, column.tolist(), strict=True))
            if not value["prompts"]:
                continue
            found = {
                "reward/mean": value["reward"] / max(1.0, value["scorable"]),
                "reward/greedy": value["greedy reward"] / max(1.0, value["scorable greedy"]),
                **{
                    f"reward/{name}": value[f"part {name}"] / max(1.0, value[f"scored {name}"]) for name in self.rewards
                },
                "pass_greedy": value["greedy solved"] / value["prompts"],
                **{f"pass_at_{k}": value[f"pass {k}"] / value["prompts"] for k in self.ks},
                "response_length": value["tokens"] / value["answers"],
                "share/truncated": value["truncated"] / value["answers"],
            }
            metrics |= {f"validation/{name}{suffix}": number for name, number in found.items()}
        if prompts := float(sums[0].sum()):
            low, high = wilson_interval(float(sums[1].sum()), round(prompts))
            metrics |= {"validation/pass_greedy_low": low, "validation/pass_greedy_high": high}
        return metrics


def _graded(rollout: Rollout) -> str:
    reward = "not scorable" if rollout.reward is None else f"reward {rollout.reward:g}"
    return f"{rollout.text}  [{reward}{'' if rollout.finished else ', did not end its turn'}]"
