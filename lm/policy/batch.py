"""Completions to train on, with what the policy loss compares them by.

Legend: R completions of a micro-batch  U distinct prompts  P tokens of a prompt  W tokens after a prompt
        T tokens of a completion that the model generated
"""

from dataclasses import dataclass

from torch import Tensor

from lm.batch import Batch


@dataclass
class PolicyBatch(Batch):
    """Completions and the distinct prompts that they answer, all padded on the right.

    `tokens` and `targets` are the tokens after the prompt, R W: the first is predicted by the end of the prompt, each
    other one by the token before it. `supervised` marks those that the model generated in a completion that counts, as
    many as `mask`, in whose column n the n-th of them stands.
    """

    prompts: Tensor | None = None  # U P
    prompt_lengths: Tensor | None = None  # U
    prompt_of: Tensor | None = None  # R  number of its prompt among those of the micro-batch

    mask: Tensor | None = None  # R T  bool, tokens of completions that count
    advantages: Tensor | None = None  # R T
    weights: Tensor | None = None  # R T  of each token in the loss
    old: Tensor | None = None  # R T  log-probabilities by the weights that generated; None: by those of now
    reference: Tensor | None = None  # R T  log-probabilities by the reference model
    values: Tensor | None = None  # R T  expected rewards by the value head, when the completions were generated
    returns: Tensor | None = None  # R T  what they should have been
    counted: float = 1.0  # tokens that count, of the whole step
