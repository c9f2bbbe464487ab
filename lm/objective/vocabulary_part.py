"""The part of a vocabulary that this rank scores, where tensor parallelism cuts the table of output embeddings.

Legend: N targets  D dim  V vocabulary  P part of it
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.tensor import DTensor


@dataclass(frozen=True)
class VocabularyPart:
    """P rows of the table from `start` on, and the ranks that have the others; with no `group` it is all of it.

    Each rank scores all targets against its rows; what a softmax needs of the others, one number a target, is
    exchanged, never the logits.
    """

    start: int = 0
    group: dist.ProcessGroup | None = None

    @staticmethod
    def of(weight: Tensor) -> tuple[Tensor, "VocabularyPart"]:
        """The rows that are here (P D), and which they are: of a table (V D) as tensor parallelism leaves it."""
        if not isinstance(weight, DTensor):
            return weight, VocabularyPart()
        mesh = weight.device_mesh
        assert mesh.ndim == 1, "it is gathered over ranks that read different rows"
        size = -(-weight.shape[0] // mesh.size())  # DTensor cuts as torch.chunk does
        return weight.to_local(), VocabularyPart(mesh.get_local_rank() * size, mesh.get_group())

    def largest(self, values: Tensor) -> Tensor:
        return self._reduce(values, dist.ReduceOp.MAX)

    def total(self, values: Tensor) -> Tensor:
        return self._reduce(values, dist.ReduceOp.SUM)

    def pick(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The logit of each target (N P, N → N 1), wherever it is scored."""
        if self.group is None:
            return logits.gather(-1, targets[:, None])
        here, places = self._here(targets, logits.shape[-1])
        return self.total(logits.gather(-1, places[:, None]).where(here[:, None], 0.0))

    def subtract_one(self, values: Tensor, targets: Tensor) -> None:
        """Take 1 from the value (N P) of each target that is scored here, in place."""
        rows = torch.arange(len(targets), device=values.device)
        if self.group is not None:
            here, places = self._here(targets, values.shape[-1])
            rows, targets = rows[here], places[here]
        values[rows, targets] -= 1

    def _here(self, targets: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Whether each target is in this part, and where (somewhere, if not)."""
        places = targets - self.start
        return (places >= 0) & (places < size), places.clamp(0, size - 1)

    def _reduce(self, values: Tensor, operation: dist.ReduceOp) -> Tensor:
        if self.group is not None:
            dist.all_reduce(values, operation, group=self.group)  # in place
        return values
