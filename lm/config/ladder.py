"""Hyperparameters of a pretraining run that follow from the depth of its model, by published rules.

Depth then names a family of compute-optimal models, a ladder: results of small models predict those of a large one. The
rules are pure functions; a config refers to them as `${ladder.…}`.

Legend: N weights of the blocks' matrices, without embeddings  D tokens of the run  B tokens of a batch

| what          | rule                                   | source                                                     |
|---------------|----------------------------------------|------------------------------------------------------------|
| width         | 32 × depth                             | loss hardly depends on the ratio (Kaplan et al. 2020, § 3) |
| heads         | of about 64 features                   |                                                            |
| tokens        | 20 per parameter                       | Hoffmann et al. 2022                                       |
| batch         | 0.58 × D^0.571                         | Li et al. 2025, Step Law (arXiv:2503.04715)                |
| learning rate | 1.79 × N^−0.713 × D^0.307, times RATE  | the same                                                   |
| weight decay  | B / (learning rate × D × TIMESCALE)    | Wang and Aitchison 2025 (arXiv:2405.13698)                 |

Hoffmann et al. count all parameters, and so does `budget.tokens_per_parameter`; the other rules apply before the
vocabulary is known, and take D as that multiple of N. RATE is measured here: Step Law was fitted to far larger models;
for small ones its exponents hold, but not its factor. Bits per byte on the default corpus (vocabulary of 1024, context
of 256, one seed) by learning rate; `best` is the minimum of a parabola through the lowest three:

| depth, tokens/parameter, batch   | 4e-3  | 8e-3  | 1.6e-2 | 3.2e-2 | 6.4e-2 | best  | rule  |
|----------------------------------|-------|-------|--------|--------|--------|-------|-------|
| 1, 20, 2048                      |       | 2.333 | 2.307  | 2.307  | 2.351  | 23e-3 | 34e-3 |
| 2, 5, 1024                       |       | 2.153 | 2.181  | 2.697  |        | 11e-3 | 10e-3 |
| 3, 5, 2048                       | 1.874 | 1.852 | 2.012  |        |        | 6e-3  | 6e-3  |

By the rule 1.6 M weights train at 5e-3 and 800 M at 4e-4, close to common practice for either.
"""

from collections.abc import Mapping
from math import log2
from typing import Any

ASPECT = 32  # width over depth
HEAD_DIM = 64
TOKENS_PER_PARAMETER = 20.0
RATE = 0.35
TIMESCALE = 1.0  # of the run; the usual decay of 0.1 amounts to this at these rates


def width(depth: int) -> int:
    """Return the width of the residual stream."""
    return ASPECT * depth


def heads(dim: int) -> int:
    """Return the number of heads whose even size is closest to HEAD_DIM."""
    counts = [count for count in range(1, dim + 1) if dim % (2 * count) == 0]  # rotary positions rotate pairs
    return min(counts or [1], key=lambda count: abs(log2(dim / count / HEAD_DIM)))


def weights(depth: int, dim: int) -> int:
    """Return N: attention has 4 matrices of dim × dim, and the feedforward as many weights as 8."""
    return 12 * depth * dim**2


def batch_tokens(depth: int, dim: int, *, context: int, tokens_per_parameter: float = TOKENS_PER_PARAMETER) -> int:
    """Return the tokens of a step: a power of two of rows, which devices and micro-batches divide evenly."""
    optimal = 0.58 * (tokens_per_parameter * weights(depth, dim)) ** 0.571
    return context * 2 ** max(0, round(log2(optimal / context)))


def learning_rate(depth: int, dim: int, *, tokens_per_parameter: float = TOKENS_PER_PARAMETER) -> float:
    """Return the peak learning rate of AdamW, to three figures."""
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
    """Return the decay at which AdamW's weights average over the last TIMESCALE of the run, to three figures."""
    tokens = tokens_per_parameter * weights(depth, dim)
    return _rounded(batch_tokens / (learning_rate * tokens * TIMESCALE))


def rung(
    depth: int,
    *,
    context: int,
    tokens_per_parameter: float = TOKENS_PER_PARAMETER,
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that follows from `depth`, by key of the config, causes before effects.

    Args:
        depth: Layers.
        context: Tokens of a row.
        tokens_per_parameter: Length of the run.
        given: Values by key that replace the derived ones; what follows from them follows.
    """
    values = {"model.depth": depth, **(given or {})}
    dim = values.setdefault("model.dim", width(depth))
    ratio = {"tokens_per_parameter": tokens_per_parameter}
    values.setdefault("model.attention.heads", heads(dim))
    batch = values.setdefault("budget.batch_tokens", batch_tokens(depth, dim, context=context, **ratio))
    rate = values.setdefault("optimizer.learning_rate", learning_rate(depth, dim, **ratio))
    if rate and batch:  # if the optimizer has them
        decay = weight_decay(depth, dim, learning_rate=rate, batch_tokens=batch, **ratio)
        values.setdefault("optimizer.weight_decay", decay)
    return values


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
