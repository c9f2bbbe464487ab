"""How many rows a model has to compute together, so that each has the same bits beside any others."""

import math

from torch import nn

from lm.model import Rotary, Transformer

TWO_VECTORS = 128  # bytes: AVX-512 has 64 in a register, and torch's loops take two at a time


def rows_of_equal_bits(model: Transformer) -> int:
    """Return the number of which rows have to be a multiple.

    Matrix products of 1 to 3 rows add up in another order than those of more. Functions of single numbers, such as an
    exponential, are computed for two registers at a time, and for what is left by another formula, whose last bit
    differs: the rows together have to fill pairs of registers. Usual widths, multiples of 32, give 4.
    """
    numbers = TWO_VECTORS // model.embedding.weight.element_size()
    widths = [part.out_features for part in model.blocks.modules() if isinstance(part, nn.Linear)]
    widths += [part.rotated // 2 for part in model.positions if isinstance(part, Rotary)]
    if model.logit_cap is not None:
        widths.append(model.vocab_size)
    return math.lcm(4, numbers // math.gcd(numbers, *widths))
