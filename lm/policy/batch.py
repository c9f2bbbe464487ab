"""Completions to train on, with what the policy loss compares them by.

Legend: R completions of a micro-batch  W tokens a row  T tokens of a completion
"""

from dataclasses import dataclass

from torch import Tensor

from lm.batch import Batch


@dataclass
class PolicyBatch(Batch):
    """Rows of a prompt and its completion, padded on the right. The n-th token of a completion stands in column n.

    `supervised` marks the targets that are tokens of a completion that counts, and has as many as `mask`.
    """

    mask: Tensor | None = None  # R T  bool, tokens of completions that count
    advantages: Tensor | None = None  # R T
    weights: Tensor | None = None  # R T  of each token in the loss
    old: Tensor | None = None  # R T  log-probabilities by the weights that generated; None: by those of now
    reference: Tensor | None = None  # R T  log-probabilities by the reference model
    values: Tensor | None = None  # R T  expected rewards by the value head, when the completions were generated
    returns: Tensor | None = None  # R T  what they should have been
    counted: float = 1.0  # tokens that count, of the whole step
