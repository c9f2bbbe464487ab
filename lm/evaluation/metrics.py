"""Values of an answered item, averaged over items, and how scores of choices are made comparable."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from lm.evaluation.scorer import Likelihood


@dataclass(frozen=True)
class Choices:
    """The choices of an item with what the model makes of each.

    Args:
        texts: The choices, without what separates them from the context.
        gold: Indices of the right ones.
        likelihoods: What each is given.
        unconditional: The same without the context; empty where it was not asked for.
    """

    texts: tuple[str, ...]
    gold: tuple[int, ...]
    likelihoods: tuple[Likelihood, ...]
    unconditional: tuple[Likelihood, ...] = ()


Score = Callable[[Choices], Sequence[float]]


class Metric(ABC):
    """A value of an answered item; its mean over the items is the score.

    `share` says that each value is 0 or 1, so that the score is a share, which chance and a constant answer have too.
    `right` says that 1 is a right answer, so that the score above chance can be averaged with that of other tasks.
    `optional` says that it is left out where no item has a value.
    """

    share: bool = True
    right: bool = True
    optional: bool = False

    @abstractmethod
    def __call__(self, answered) -> float | None:
        """Return the value of one item, such as `Choices`; None for one that is counted apart, as a tie."""

    def shown(self, mean: float) -> float:
        """Return what is reported for a mean of values; it must be monotonic, as intervals are transformed too."""
        return mean


def kept(metrics: Mapping[str, Metric | None]) -> dict[str, Metric]:
    """Return the metrics without those that a config sets to null."""
    return {name: metric for name, metric in metrics.items() if metric is not None}


class Accuracy(Metric):
    """1 if the right choice has the highest score, else 0; of equal scores the first choice counts.

    Args:
        score: Gives each choice a number, higher is better: `lm.evaluation.metrics.total`, `per_character`, `per_byte`,
            `per_token` or `over_unconditional`.
    """

    def __init__(self, score: Score):
        self.score = score

    def __call__(self, answered: Choices) -> float:
        scores = [*self.score(answered)]
        return float(scores.index(max(scores)) in answered.gold)


class Preference(Metric):
    """1 if the first of two choices has the higher score, 0 if the second has it; ties are counted apart.

    Args:
        score: Gives each choice a number, such as `lm.evaluation.metrics.total` or `per_token`.
    """

    right = False  # neither of two sentences is

    def __init__(self, score: Score):
        self.score = score

    def __call__(self, answered: Choices) -> float | None:
        first, second = self.score(answered)
        return None if first == second else float(first > second)


class GoldProbability(Metric):
    """The probability of the right choices among all, from their scores. It moves long before accuracy does.

    Args:
        score: Gives each choice a log-probability, such as `lm.evaluation.metrics.total`.
    """

    share = False

    def __init__(self, score: Score):
        self.score = score

    def __call__(self, answered: Choices) -> float:
        scores = [*self.score(answered)]
        powers = [exp(score - max(scores)) for score in scores]
        return sum(powers[gold] for gold in {*answered.gold}) / sum(powers)


class GoldBits(Metric):
    """Bits per byte of the right choice after the context, of the likeliest where several are right."""

    share = False

    def __call__(self, answered: Choices) -> float:
        rates = [-value for value in per_byte(answered)]
        return min(rates[gold] for gold in answered.gold) / log(2)


class Greedy(Metric):
    """1 if greedy decoding gives the right continuation, else 0."""

    def __call__(self, answered: Choices) -> float:
        return float(any(answered.likelihoods[gold].greedy for gold in answered.gold))


class Perplexity(Metric):
    """exp of the mean negative log-probability of the right continuation, per continuation rather than per token."""

    share = False

    def __call__(self, answered: Choices) -> float:
        return -max(answered.likelihoods[gold].log_probability for gold in answered.gold)

    def shown(self, mean: float) -> float:
        return exp(min(mean, 700.0))


def total(choices: Choices) -> list[float]:
    """Return the log-probability of each choice: `acc` of lm-evaluation-harness.

    Args:
        choices: The choices with their likelihoods.
    """
    return [each.log_probability for each in choices.likelihoods]


def per_character(choices: Choices) -> list[float]:
    """Return it per character of the choice, without what separates it from the context: `acc_norm`.

    Args:
        choices: The choices with their likelihoods.
    """
    return _divided(choices, [len(text) for text in choices.texts])


def per_byte(choices: Choices) -> list[float]:
    """Return it per UTF-8 byte of the choice: `acc_bytes`.

    Args:
        choices: The choices with their likelihoods.
    """
    return _divided(choices, [len(text.encode("utf-8", "surrogatepass")) for text in choices.texts])


def per_token(choices: Choices) -> list[float]:
    """Return it per token, of the separator too: what nanochat's CORE compares.

    Args:
        choices: The choices with their likelihoods.
    """
    return _divided(choices, [len(each.nats) for each in choices.likelihoods])


def over_unconditional(choices: Choices) -> list[float]:
    """Return it less the log-probability without a context: `acc_mutual_info`.

    Args:
        choices: The choices with their likelihoods.
    """
    pairs = zip(choices.likelihoods, choices.unconditional, strict=True)
    return [given.log_probability - alone.log_probability for given, alone in pairs]


def _divided(choices: Choices, sizes: Sequence[int]) -> list[float]:
    return [value / max(1, size) for value, size in zip(total(choices), sizes, strict=True)]
