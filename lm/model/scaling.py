"""Scalings of rotary frequencies, for contexts longer than a model was pretrained with.

A frequency is the angle, in radians, by which a pair of features turns from one position to the next. The formulas are
those of `transformers`, of which published weights depend.

Legend: B batch  T tokens  P pairs of features
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


class Scaling(ABC):
    """A change of the frequencies, and a factor of the cosines and sines."""

    attention_factor = 1.0  # of cosines and sines: scores grow by its square
    unchanged_up_to: int | None = None  # tokens of a text up to which one set of frequencies holds; None: at any length

    @abstractmethod
    def __call__(self, frequencies: Tensor, *, theta: float, lengths: Tensor) -> Tensor:
        """Return the scaled frequencies.

        Args:
            frequencies: Unscaled ones, P.
            theta: Base of the unscaled ones.
            lengths: Tokens of the text that each token is in, or its room in a cache, B T 1 or 1 1 1.

        Returns:
            Frequencies of all tokens, P, or of each, B T P.
        """


class LinearScaling(Scaling):
    """Divide every frequency by the same factor (position interpolation, arXiv:2306.15595).

    Args:
        factor: Longer context over pretrained context.
    """

    def __init__(self, *, factor: float) -> None:
        self.factor = _at_least_one(factor)

    def __call__(self, frequencies: Tensor, *, theta: float, lengths: Tensor) -> Tensor:
        return frequencies / self.factor


class DynamicScaling(Scaling):
    """Raise theta as the text outgrows the pretrained context, and leave shorter texts as they are (dynamic NTK).

    Args:
        factor: Growth of theta's base with the length, as in configs of `transformers`.
        original_context: Tokens of the pretrained context.
    """

    def __init__(self, *, factor: float, original_context: int) -> None:
        self.factor, self.original_context = _at_least_one(factor), original_context
        self.unchanged_up_to = original_context

    def __call__(self, frequencies: Tensor, *, theta: float, lengths: Tensor) -> Tensor:
        pairs = len(frequencies)
        length = lengths.clamp_min(self.original_context).float()
        growth = self.factor * length / self.original_context - (self.factor - 1)
        exponents = torch.arange(pairs, device=frequencies.device) / max(pairs - 1, 1)
        return frequencies * growth**-exponents


class YarnScaling(Scaling):
    """Divide slow frequencies by a factor, keep fast ones, blend between (YaRN, arXiv:2309.00071).

    Args:
        factor: Longer context over pretrained context.
        original_context: Tokens of the pretrained context.
        fast: Turns in the pretrained context from which on a frequency is kept.
        slow: Turns in the pretrained context up to which a frequency is divided.
        attention_factor: Factor of cosines and sines. None is 0.1 × ln(factor) + 1.
        truncate: Round the first and last blended pair outwards to whole ones.
    """

    def __init__(
        self,
        *,
        factor: float,
        original_context: int,
        fast: float = 32.0,
        slow: float = 1.0,
        attention_factor: float | None = None,
        truncate: bool = True,
    ) -> None:
        self.factor, self.original_context = _at_least_one(factor), original_context
        self.fast, self.slow, self.truncate = fast, slow, truncate
        self.attention_factor = 0.1 * math.log(factor) + 1 if attention_factor is None else attention_factor

    def __call__(self, frequencies: Tensor, *, theta: float, lengths: Tensor) -> Tensor:
        pairs = len(frequencies)
        first, last = (self._pair(turns, pairs, theta) for turns in (self.fast, self.slow))
        if self.truncate:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, 2 * pairs - 1)
        last += 0.001 if first == last else 0
        numbers = torch.arange(pairs, device=frequencies.device, dtype=torch.float32)
        divided = ((numbers - first) / (last - first)).clamp(0, 1)  # P, share of the divided frequency
        return frequencies / self.factor * divided + frequencies * (1 - divided)

    def _pair(self, turns: float, pairs: int, theta: float) -> float:
        """Return the number of the pair that makes so many turns in the pretrained context."""
        return pairs * math.log(self.original_context / (turns * 2 * math.pi)) / math.log(theta)


class LongRoPEScaling(Scaling):
    """Divide each frequency by a factor of its own, of two sets for short and for long texts (arXiv:2402.13753): Phi-3.

    A text of more than `original_context` tokens takes the long factors for all its tokens. A cache takes those for its
    whole length, so generation reads a text again when it outgrows the short ones.

    Args:
        short: Factor of each pair of features for texts up to `original_context` tokens.
        long: Factor of each pair of features for longer texts.
        original_context: Tokens of the pretrained context.
        factor: Longer context over pretrained context, from which the attention factor follows.
        attention_factor: Factor of cosines and sines at any length. None is √(1 + ln(factor) / ln(original_context)).
    """

    def __init__(
        self,
        *,
        short: Sequence[float],
        long: Sequence[float],
        original_context: int,
        factor: float,
        attention_factor: float | None = None,
    ) -> None:
        self.short, self.long = [*short], [*long]
        self.original_context = self.unchanged_up_to = original_context
        grown = math.sqrt(1 + math.log(max(factor, 1.0)) / math.log(original_context))
        self.attention_factor = grown if attention_factor is None else attention_factor

    def __call__(self, frequencies: Tensor, *, theta: float, lengths: Tensor) -> Tensor:
        for key, factors in (("short", self.short), ("long", self.long)):
            if len(factors) != len(frequencies):
                raise ValueError(
                    f"position.scaling.{key} has {len(factors)} factors for {len(frequencies)} pairs of features: "
                    "give one for each"
                )
        short, long = (frequencies / frequencies.new_tensor(factors) for factors in (self.short, self.long))
        return torch.where(lengths > self.original_context, long, short)


class Llama3Scaling(Scaling):
    """Divide frequencies of long waves by a factor, keep those of short waves, blend between: Llama 3.1.

    Args:
        factor: What frequencies of long waves are divided by; 8 in Llama 3.1, 32 in Llama 3.2.
        original_context: Tokens of the pretrained context.
        low: Waves longer than original_context / low are divided.
        high: Waves shorter than original_context / high are kept.
    """

    def __init__(self, *, factor: float, original_context: int, low: float = 1.0, high: float = 4.0) -> None:
        if not 0 < low < high:
            raise ValueError(f"position.scaling.low {low} is not between 0 and high, {high}: try 1 and 4")
        self.factor, self.original_context = _at_least_one(factor), original_context
        self.low, self.high = low, high

    def __call__(self, frequencies: Tensor, *, theta: float, lengths: Tensor) -> Tensor:
        turns = self.original_context * frequencies / (2 * math.pi)  # in the pretrained context
        kept = ((turns - self.low) / (self.high - self.low)).clamp(0, 1)
        return (1 - kept) * frequencies / self.factor + kept * frequencies


def _at_least_one(factor: float) -> float:
    if factor < 1:
        raise ValueError(f"position.scaling.factor {factor} is not at least 1: it lengthens the context, try 4")
    return factor
