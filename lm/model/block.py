"""Blocks: attention and a feedforward, each added to the residual stream. They differ in where norms stand.

Legend: B batch  T tokens  D dim
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

Attend = Callable[[Tensor], Tensor]


class Block(nn.Module, ABC):
    """Attention and a feedforward that write to the residual stream. Weights have the names of the parts.

    Args:
        attention: Attention of this block.
        feedforward: Feedforward of this block.
        norm: Makes a norm of the residual stream's width; called once for each norm of the block.
        dropout: Probability of dropping a feature of the output of attention and feedforward.
    """

    def __init__(
        self,
        *,
        attention: nn.Module,
        feedforward: nn.Module,
        norm: Callable[[], nn.Module],
        dropout: float,
    ) -> None:
        super().__init__()
        self._add_norms(norm)
        self.attention = attention
        self.feedforward = feedforward
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(
        self,
        residual: Tensor,  # B T D
        *,
        rotation: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        update_cache: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None,
    ) -> Tensor:
        """Return the residual stream after both parts; the arguments are those of the attention."""
        return self._add(residual, partial(self.attention, rotation=rotation, mask=mask, update_cache=update_cache))

    @abstractmethod
    def _add_norms(self, norm: Callable[[], nn.Module]) -> None:
        """Make the norms, as attributes whose names end in `_norm`."""

    @abstractmethod
    def _add(self, residual: Tensor, attend: Attend) -> Tensor:
        """Return the residual stream after both parts."""


class PreNormBlock(Block):
    """Norms before each part, so that gradients pass the residual stream unscaled: GPT-2, Llama, Qwen, Mistral.

    Args:
        attention: Attention of this block.
        feedforward: Feedforward of this block.
        norm: Makes a norm of the residual stream's width; called once for each norm of the block.
        dropout: Probability of dropping a feature of the output of attention and feedforward.
    """

    def _add_norms(self, norm: Callable[[], nn.Module]) -> None:
        self.attention_norm, self.feedforward_norm = norm(), norm()

    def _add(self, residual: Tensor, attend: Attend) -> Tensor:
        residual = residual + self.dropout(attend(self.attention_norm(residual)))
        return residual + self.dropout(self.feedforward(self.feedforward_norm(residual)))


class PostNormBlock(Block):
    """Norms after each part, before it is added: the residual stream grows evenly (OLMo 2, arXiv:2501.00656).

    What a part writes has size 1 whatever its weights, so a start at 0 (`initialize.residual_scale=0`) would make the
    first gradients of its last matrix large: set 1.

    Args:
        attention: Attention of this block.
        feedforward: Feedforward of this block.
        norm: Makes a norm of the residual stream's width; called once for each norm of the block.
        dropout: Probability of dropping a feature of the output of attention and feedforward.
    """

    def _add_norms(self, norm: Callable[[], nn.Module]) -> None:
        self.attention_output_norm, self.feedforward_output_norm = norm(), norm()

    def _add(self, residual: Tensor, attend: Attend) -> Tensor:
        residual = residual + self.dropout(self.attention_output_norm(attend(residual)))
        return residual + self.dropout(self.feedforward_output_norm(self.feedforward(residual)))


class SandwichBlock(Block):
    """Norms before and after each part (CogView, arXiv:2105.13290): Gemma 2 and 3. Four norms a block.

    As in `PostNormBlock`, set `initialize.residual_scale=1`.

    Args:
        attention: Attention of this block.
        feedforward: Feedforward of this block.
        norm: Makes a norm of the residual stream's width; called once for each norm of the block.
        dropout: Probability of dropping a feature of the output of attention and feedforward.
    """

    def _add_norms(self, norm: Callable[[], nn.Module]) -> None:
        self.attention_norm, self.attention_output_norm = norm(), norm()
        self.feedforward_norm, self.feedforward_output_norm = norm(), norm()

    def _add(self, residual: Tensor, attend: Attend) -> Tensor:
        attended = self.attention_output_norm(attend(self.attention_norm(residual)))
        residual = residual + self.dropout(attended)
        return residual + self.dropout(self.feedforward_output_norm(self.feedforward(self.feedforward_norm(residual))))


class ParallelBlock(Block):
    """Both parts read the same residual stream, each through its own norm: GPT-NeoX and Pythia (arXiv:2204.06745).

    The two parts could be computed at once; the loss is slightly worse in small models (arXiv:2204.02311, section 2).

    Args:
        attention: Attention of this block.
        feedforward: Feedforward of this block.
        norm: Makes a norm of the residual stream's width; called once for each norm of the block.
        dropout: Probability of dropping a feature of the output of attention and feedforward.
    """

    def _add_norms(self, norm: Callable[[], nn.Module]) -> None:
        self.attention_norm, self.feedforward_norm = norm(), norm()

    def _add(self, residual: Tensor, attend: Attend) -> Tensor:
        attended = self.dropout(attend(self.attention_norm(residual)))
        return residual + attended + self.dropout(self.feedforward(self.feedforward_norm(residual)))
