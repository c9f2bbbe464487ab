"""The part of the vocabulary that this rank scores under tensor parallelism.

Legend: N targets  D dim  V vocabulary  P part of it
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.tensor import DTensor


@dataclass(frozen=True)
class VocabularyPart:
    """Rows `start` to `start + P` of the output embeddings. Without a `group`, all V rows.

    Each rank scores all targets against its own rows. The ranks exchange what a softmax needs, one number per target,
    and never the logits.

    Attributes:
        start: First row of this rank.
        group: The ranks that hold the other rows.
    """

    start: int = 0
    group: dist.ProcessGroup | None = None

    @staticmethod
    def of(weight: Tensor) -> tuple[Tensor, "VocabularyPart"]:
        """Return the local rows (P D) of a weight (V D), and their place in the vocabulary."""
        if not isinstance(weight, DTensor):
            return weight, VocabularyPart()
        mesh = weight.device_mesh
        assert mesh.ndim == 1, "the weight is gathered over the ranks that read different rows"
        size = -(-weight.shape[0] // mesh.size())  # DTensor splits like torch.chunk
        return weight.to_local(), VocabularyPart(mesh.get_local_rank() * size, mesh.get_group())

    def largest(self, values: Tensor) -> Tensor:
        """Return the elementwise maximum over the ranks, in place."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def total(self, values: Tensor) -> Tensor:
        """Return the elementwise sum over the ranks, in place."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def pick(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the logit of each target, from the rank that scores it: N P, N → N 1."""
        if self.group is None:
            return logits.gather(-1, targets[:, None])
        local, columns = self._locate(targets, logits.shape[-1])
        return self.total(logits.gather(-1, columns[:, None]).where(local[:, None], 0.0))

    def subtract_one(self, values: Tensor, targets: Tensor) -> None:
        """Subtract 1 from the value (N P) of each target that this rank scores, in place."""
        rows = torch.arange(len(targets), device=values.device)
        if self.group is not None:
            local, columns = self._locate(targets, values.shape[-1])
            rows, targets = rows[local], columns[local]
        values[rows, targets] -= 1

    def _locate(self, targets: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Return whether each target is in this part, and its column; an arbitrary column if it is not."""
        columns = targets - self.start
        return (columns >= 0) & (columns < size), columns.clamp(0, size - 1)

    def _reduce(self, values: Tensor, operation: dist.ReduceOp) -> Tensor:
        if self.group is not None:
            dist.all_reduce(values, operation, group=self.group)  # in place
        return values
