"""What the loss of a step is the mean of: the weight of each token, and what the sum is divided by.

Each function gives weights and a count. The loss of a step is Σ weight × loss ÷ Σ count over all micro-batches and
ranks, so that no partition changes it. A row whose tokens are all masked counts nowhere.

Legend: R rows  T tokens of a completion
"""

from torch import Tensor

from lm.bounds import Count


def token_mean(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Weight every token alike: the mean over all tokens of the step, as in DAPO (arXiv:2503.14476).

    Args:
        mask: 1 for the tokens that count, 0 for the others, R T.

    Returns:
        Weight of each token, R T, and the number of tokens, a scalar.
    """
    return mask, mask.sum()


def sequence_mean(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Weight every completion alike: the mean over completions of the mean over their tokens, as in GRPO.

    The tokens of a short completion weigh more than those of a long one, so that long wrong answers are punished
    little.

    Args:
        mask: 1 for the tokens that count, 0 for the others, R T.

    Returns:
        Weight of each token, R T, and the number of completions, a scalar.
    """
    return mask / mask.sum(-1, keepdim=True).clamp(min=1), mask.any(-1).sum()


def constant(mask: Tensor, *, length: Count) -> tuple[Tensor, Tensor]:
    """Divide the sum over tokens by completions × a constant length: Dr. GRPO (arXiv:2503.20783).

    Args:
        mask: 1 for the tokens that count, 0 for the others, R T.
        length: The constant, in tokens; usually the largest length of a completion.

    Returns:
        Weight of each token, R T, and completions × length, a scalar.
    """
    return mask, mask.any(-1).sum() * length
