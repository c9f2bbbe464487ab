"""Everything about a pretraining run that follows from the depth of its model, by published rules.

One number then names a whole family of compute-optimal models: what is learned on small ones tells what a large one
will do. The rules are pure functions; a config refers to them as `${ladder.…}`.

Legend: N weights of the blocks' matrices, without embeddings  D tokens of the run  B tokens of a batch

| what          | rule                                   | source                                                     |
|---------------|----------------------------------------|------------------------------------------------------------|
| width         | 32 × depth                             | loss hardly depends on the ratio (Kaplan et al. 2020, § 3) |
| heads         | of about 64                            |                                                            |
| tokens        | 20 a parameter                         | Hoffmann et al. 2022                                       |
| batch         | 0.58 × D^0.571                         | Li et al. 2025, Step Law (arXiv:2503.04715)                |
| learning rate | 1.79 × N^−0.713 × D^0.307, times RATE  | the same                                                   |
| weight decay  | B / (learning rate × D × TIMESCALE)    | Wang and Aitchison 2025 (arXiv:2405.13698)                 |

Hoffmann et al. count all parameters, and so does `budget.tokens_per_parameter`; the other rules are wanted before the
vocabulary is known, and take D as so many times N. RATE is ours: Step Law was fitted to far larger models; among ours
its exponents hold, but not its factor. Bits per byte on the default corpus (vocabulary of 1024, context of 256, one
seed) by learning rate, and where a parabola through the lowest three has its least:

| depth, tokens a parameter, batch | 4e-3  | 8e-3  | 1.6e-2 | 3.2e-2 | 6.4e-2 | best  | rule  |
|----------------------------------|-------|-------|--------|--------|--------|-------|-------|
| 1, 20, 2048                      |       | 2.333 | 2.307  | 2.307  | 2.351  | 23e-3 | 34e-3 |
| 2, 5, 1024                       |       | 2.153 | 2.181  | 2.697  |        | 11e-3 | 10e-3 |
| 3, 5, 2048                       | 1.874 | 1.852 | 2.012  |        |        | 6e-3  | 6e-3  |

By the rule 1.6 M weights train at 5e-3 and 800 M at 4e-4, about what is used for either.
"""

from collections.abc import Mapping
from math import log2
from typing import Any

ASPECT = 32  # width over depth
HEAD_DIM = 64
TOKENS_PER_PARAMETER = 20.0
RATE = 0.35
TIMESCALE = 1.0  # of the run: what the usual decay of 0.1 comes to at these rates


def width(depth: int) -> int:
    """The model's dim."""
    return ASPECT * depth


def heads(dim: int) -> int:
    """So many that each is as near to HEAD_DIM as an even share of `dim` comes."""
    shares = [count for count in range(1, dim + 1) if dim % (2 * count) == 0]  # rotary positions turn pairs
    return min(shares or [1], key=lambda count: abs(log2(dim / count / HEAD_DIM)))


def weights(depth: int, dim: int) -> int:
    """N: attention has 4 matrices of dim × dim, and the feed-forward as much as 8."""
    return 12 * depth * dim**2


def batch_tokens(depth: int, dim: int, *, context: int, tokens_per_parameter: float = TOKENS_PER_PARAMETER) -> int:
    """Tokens of a step: a power of two of rows, so that devices and micro-batches share them evenly."""
    wanted = 0.58 * (tokens_per_parameter * weights(depth, dim)) ** 0.571
    return context * 2 ** max(0, round(log2(wanted / context)))


def learning_rate(depth: int, dim: int, *, tokens_per_parameter: float = TOKENS_PER_PARAMETER) -> float:
    """The peak for AdamW, to three figures."""
    size = weights(depth, dim)
    return _rounded(RATE * 1.79 * size**-0.713 * (tokens_per_parameter * size) ** 0.307)


def weight_decay(
    depth: int,
    dim: int,
    *,
    learning_rate: float,
    batch_tokens: int,
    tokens_per_parameter: float = TOKENS_PER_PARAMETER,
) -> float:
    """The decay at which AdamW's weights are an average over the last TIMESCALE of the run, to three figures."""
    tokens = tokens_per_parameter * weights(depth, dim)
    return _rounded(batch_tokens / (learning_rate * tokens * TIMESCALE))


def rung(
    depth: int,
    *,
    context: int,
    tokens_per_parameter: float = TOKENS_PER_PARAMETER,
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All that follows from `depth`, by its key in the config of a pretraining run, first causes first.

    What is `given` otherwise stays, and what follows from it follows.
    """
    found = {"model.depth": depth, **(given or {})}
    dim = found.setdefault("model.dim", width(depth))
    ratio = {"tokens_per_parameter": tokens_per_parameter}
    found.setdefault("model.attention.heads", heads(dim))
    batch = found.setdefault("budget.batch_tokens", batch_tokens(depth, dim, context=context, **ratio))
    rate = found.setdefault("optimizer.learning_rate", learning_rate(depth, dim, **ratio))
    if rate and batch:  # of an optimizer that has them
        decay = weight_decay(depth, dim, learning_rate=rate, batch_tokens=batch, **ratio)
        found.setdefault("optimizer.weight_decay", decay)
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
