"""Refuse parts of a policy objective, and prompts, that do not fit each other."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lm.conversation import Prompt
from lm.generation import Sampling
from lm.policy.advantage import Advantage
from lm.policy.aggregation import sequence_mean
from lm.policy.ratios import sequence_mean_ratio, sequence_sum_ratio
from lm.reward import RewardSum

WHOLE = (sequence_mean_ratio, sequence_sum_ratio)  # ratios of whole completions
Part = Callable[..., Any]


def check_parts(advantage: Advantage, ratio: Part, aggregation: Part, sampling: Sampling, *, group_size: int) -> None:
    """Refuse parts that do not fit each other.

    Raises:
        ValueError: With the key, its value and what to set.
    """
    if group_size < advantage.least_group:
        raise ValueError(
            f"objective.group_size={group_size}: {type(advantage).__name__} compares the answers to one prompt and "
            f"needs at least {advantage.least_group}: try 8, or objective/advantage=whitened, which needs one"
        )
    whole, mean = _function(ratio) in WHOLE, _function(aggregation) is sequence_mean
    if whole and not mean:
        raise ValueError(
            f"objective.aggregation={_function(aggregation).__name__} weights a ratio of whole completions "
            f"({_function(ratio).__name__}) by their length: set objective/aggregation=sequence_mean"
        )
    if sampling.temperature == 0:
        raise ValueError("objective.sampling.temperature=0 draws the same answer each time: try 1")
    if sampling.repetition_penalty != 1:
        raise ValueError(
            f"objective.sampling.repetition_penalty={sampling.repetition_penalty:g} makes what is drawn depend on more "
            "than the policy: set 1"
        )


def check_prompts(asked: Sequence[Prompt], reward: RewardSum) -> None:
    """Refuse data that the reward cannot score.

    Raises:
        ValueError: There are no prompts, or some lack the reference that the reward compares with.
    """
    if not asked:
        raise ValueError("objective=policy answers prompts, and data has none: set data=prompts")
    missing = [prompt.place for prompt in asked if prompt.reference is None]
    if reward.needs_reference and missing:
        raise ValueError(
            f"objective.reward compares answers with a reference, and {len(missing)} of {len(asked)} prompts "
            f"have none (the first: {missing[0]}): take other data, or a reward that needs none, or set "
            "objective.reward.skip_unscorable=true"
        )


def _function(part: Part) -> Part:
    return part.func if isinstance(part, partial) else part
