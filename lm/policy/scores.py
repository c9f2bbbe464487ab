"""What a network says of completions: the log-probability of each token, and the value before it.

Legend: R completions  T tokens of a completion  N tokens of all completions  D dim
"""

from torch import Tensor, nn

from lm.generation import Sampling
from lm.model.shared_prefix import hidden_after_prefixes
from lm.policy.batch import PolicyBatch
from lm.policy.log_probabilities import (
    in_columns,
    log_probabilities_and_entropies,
    sampled_log_probabilities,
)


class Scores:
    """Hidden states of the tokens of completions, and what follows from them.

    Args:
        model: The network, with a head where values are asked for.
        batch: Completions and their prompts.
        sampling: How the tokens were drawn.
    """

    def __init__(self, model: nn.Module, batch: PolicyBatch, *, sampling: Sampling):
        self.model, self.batch, self.sampling = model, batch, sampling
        hidden = hidden_after_prefixes(  # the last token of a row predicts nothing
            model, batch.prompts, batch.prompt_lengths, batch.tokens[:, :-1], batch.prompt_of
        )
        self.hidden = hidden[batch.supervised]  # N D
        self.chosen = batch.targets[batch.supervised]  # N

    def flat_log_probabilities(self) -> Tensor:
        """Return the log-probability of each token under the distribution that it was drawn from, N."""
        return sampled_log_probabilities(self.hidden, self.model.projection, self.chosen, sampling=self.sampling)

    def flat_values(self) -> Tensor:
        """Return the expected reward before each token by the value head, N."""
        return self.model.head(self.hidden).squeeze(-1)

    def log_probabilities(self) -> Tensor:
        return in_columns(self.flat_log_probabilities(), self.batch.mask)  # R T

    def log_probabilities_and_entropies(self) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities, R T, and the entropies of the distributions drawn from, N, without gradient."""
        found = log_probabilities_and_entropies(self.hidden, self.model.projection, self.chosen, sampling=self.sampling)
        return in_columns(found[0], self.batch.mask), found[1]

    def values(self) -> Tensor:
        return in_columns(self.flat_values(), self.batch.mask)  # R T
