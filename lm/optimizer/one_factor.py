"""The scheduler of a run: one factor a step, for all groups of weights."""

from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR


class OneFactor(LambdaLR):
    """torch's LambdaLR with one function for all groups: it is called once a step, and little else is done.

    Its state is that of LambdaLR.
    """

    def step(self, epoch: int | None = None) -> None:
        groups = self.optimizer.param_groups
        if epoch is not None or self._step_count < 2 or any(isinstance(group["lr"], Tensor) for group in groups):
            super().step(epoch)
            return
        self._step_count += 1
        self.last_epoch += 1
        factor = self.lr_lambdas[0](self.last_epoch)
        self._last_lr = [base * factor for base in self.base_lrs]
        for group, rate in zip(groups, self._last_lr, strict=True):
            group["lr"] = rate
