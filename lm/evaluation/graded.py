"""The answers to a prompt with their rewards, and what the answers to many prompts add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

from lm.conversation import Prompt
from lm.interval import wilson_interval
from lm.reward import Answer
from lm.reward.passes import budgets, pass_at


@dataclass(frozen=True)
class Graded:
    """The answers to one prompt, with their rewards.

    Args:
        prompt: The prompt.
        greedy: The most likely answer and its reward.
        drawn: The drawn answers and their rewards; None for one that is not scorable.
        parts: The rewards of the drawn answers by name.
        moved: Mean log-ratio of the drawn answers to the reference model, in nats; None without one.
    """

    prompt: Prompt
    greedy: tuple[Answer, float | None]
    drawn: Sequence[tuple[Answer, float | None]]
    parts: Mapping[str, Sequence[float | None]]
    moved: float | None


def scores_of(graded: Sequence[Graded], *, solved: float) -> dict[str, Any]:
    """Return the scores of answered prompts, as results.json has them.

    Args:
        graded: The answers to each prompt; as many drawn ones to each.
        solved: Least reward of an answer that solves its prompt.
    """
    samples = len(graded[0].drawn)
    greedy = sum(_solves(each.greedy[1], solved) for each in graded)
    counts = [sum(_solves(reward, solved) for _, reward in each.drawn) for each in graded]
    known = [[reward for _, reward in each.drawn if reward is not None] for each in graded]
    means = [mean(rewards) for rewards in known if rewards]  # by prompt: answers to one are alike
    parts = {
        name: [value for each in graded for value in each.parts[name] if value is not None] for name in graded[0].parts
    }
    drawn = [answer for each in graded for answer, _ in each.drawn]
    moved = [each.moved for each in graded if each.moved is not None]
    return {
        "prompts": len(graded),
        "pass_greedy": greedy / len(graded),
        "greedy_interval": list(wilson_interval(greedy, len(graded))),
        "pass_at": {
            str(k): mean(pass_at(k, completions=samples, solved=count) for count in counts) for k in budgets(samples)
        },
        "reward": mean(means) if means else None,
        "reward_half_width": 1.96 * stdev(means) / sqrt(len(means)) if len(means) > 1 else None,
        "unscorable": len(drawn) - sum(map(len, known)),
        "parts": {name: mean(values) for name, values in parts.items() if values},
        "tokens": mean(answer.tokens for answer in drawn),
        "truncated": mean(not answer.finished for answer in drawn),
        "kl": mean(moved) if moved else None,
    }


def _solves(reward: float | None, solved: float) -> bool:
    return reward is not None and reward >= solved


def example(graded: Graded) -> str:
    """Return the last turn of a prompt and the first drawn answer with its reward, in a line each."""
    answer, reward = graded.drawn[0]
    score = "not scorable" if reward is None else f"reward {reward:g}"
    cut = "" if answer.finished else ", did not end its turn"
    asked = graded.prompt.messages[-1]
    return f"{asked.role}: {asked.content}\nmodel: {answer.text}  [{score}{cut}]"
