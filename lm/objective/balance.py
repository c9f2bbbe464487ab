"""Balance the load of sparse experts: a loss beside that of the objective, and how even the load is.

Without it a router may send most tokens to a few experts, which then learn most (Shazeer et al. 2017,
arXiv:1701.06538). The loss is E Σ_e f_e P_e, of the share f_e of tokens that expert e gets and the mean P_e of its
probability, with the tokens of all layers joined: `load_balancing_loss_func` of transformers, after Fedus et al. 2021
(arXiv:2101.03961). An even load gives K, the experts of a token.

A product of two means changes with the batch that they are taken over. Here they are taken over each text by itself: a
document, or a row where the documents of a row are not separated, without padding. A text weighs as much as in the loss
of the objective, so that micro-batches, ranks and packing change nothing; one text alone gives the value of
transformers. Shares within a text are more uneven than those of a large batch, so the loss asks for more than one over
the batch would (DeepSeek-V2, arXiv:2405.04434, section 2.2.3, has such a loss by sequence).

Legend: U texts  E experts  K experts of a token  L layers with experts
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from lm.model.experts import Routing, recorded_routing, sparse_layers


@dataclass(frozen=True)
class Usage:
    """What texts used of the experts. Usages of parts of the texts add up."""

    tokens: Tensor  # U  read by the experts, summed over layers
    counts: Tensor  # L U E  tokens that each expert got
    probabilities: Tensor  # U E  summed over tokens and layers
    squares: Tensor  # U  log-sum-exp of the scores squared, summed over tokens and layers

    @classmethod
    def of(cls, layers: list[Routing], texts: Tensor, count: int) -> "Usage":
        """Sum up one forward pass.

        Args:
            layers: Routing of each layer.
            texts: Number of the text of each token, of the shape of the tokens; -1 for padding.
            count: U.
        """
        read = texts >= 0
        numbers = texts[read]  # N
        counts, probabilities, squares = [], 0.0, 0.0
        for logits, chosen in layers:
            scores, experts = logits[read], logits.shape[-1]
            slots = (numbers[:, None] * experts + chosen[read]).flatten()
            empty = scores.new_zeros(count * experts)
            counts.append(empty.index_add(0, slots, torch.ones_like(slots, dtype=empty.dtype)).view(count, experts))
            probabilities = probabilities + scores.new_zeros(count, experts).index_add(0, numbers, scores.softmax(-1))
            squares = squares + scores.new_zeros(count).index_add(0, numbers, scores.logsumexp(-1).square())
        tokens = squares.new_zeros(count).index_add(0, numbers, squares.new_full(numbers.shape, len(layers)))
        return cls(tokens, torch.stack(counts), probabilities, squares)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def of_texts(self, numbers: Tensor) -> "Usage":
        """Return the usage of these texts, which may repeat."""
        return Usage(self.tokens[numbers], self.counts[:, numbers], self.probabilities[numbers], self.squares[numbers])

    def balance_losses(self) -> Tensor:
        """Return E Σ_e f_e P_e of each text, U; 0 for one without tokens."""
        tokens = self.tokens.clamp(min=1)[:, None]
        shares, means = self.counts.sum(0) / tokens, self.probabilities / tokens
        return self.counts.shape[-1] * (shares * means).sum(-1)

    def z_losses(self) -> Tensor:
        """Return the mean squared log-sum-exp of each text, U."""
        return self.squares / self.tokens.clamp(min=1)


class Balance:
    """The loss that balances experts, by the weights that the model gives it, and the load of a step.

    Args:
        layers: The layers with experts, at least one.

    Raises:
        ValueError: Layers differ in what the loss joins or weighs them by.
    """

    def __init__(self, layers: list[nn.Module]):
        self.layers = layers
        described = {(len(layer.experts), layer.top, layer.balance, layer.z_loss) for layer in layers}
        if len(described) > 1:
            found = " and ".join(f"({', '.join(map(str, each))})" for each in sorted(described))
            raise ValueError(
                f"model.feedforward: layers differ in (experts, top, balance, z_loss): {found}; the balancing loss "
                "joins all layers: give them the same"
            )
        ((_, self.top, self.weight, self.z_weight),) = described

    @classmethod
    def of(cls, model: nn.Module) -> "Balance | None":
        """Return the balance of a model's experts; None for a dense model."""
        layers = sparse_layers(model)
        return cls(layers) if layers else None

    @contextmanager
    def recording(self) -> Iterator[list[list[Routing]]]:
        """Record the routing of the forward passes within, for each of them a list over the layers."""
        passes: list[list[Routing]] = []
        with recorded_routing(self.layers) as records:
            yield passes
        passes.extend(map(list, zip(*records, strict=True)))


def load_metrics(load: Tensor) -> dict[str, float]:
    """Return how even the load of the experts is.

    The shares are of a layer's tokens, of the layer where they are most uneven: 1 / E each where the load is even. The
    entropy is a mean over layers, divided by its largest value, log E.

    Args:
        load: Tokens that each expert got, L E.
    """
    shares = load.double() / load.sum(-1, keepdim=True).clamp(min=1)
    entropy = torch.special.entr(shares).sum(-1).mean() / max(1e-9, torch.tensor(float(load.shape[-1])).log().item())
    return {
        "experts/largest_share": float(shares.max()),
        "experts/smallest_share": float(shares.min()),
        "experts/entropy": float(entropy),
    }
