"""What a rank holds of a model, all of it or a shard: the questions that other packages ask of a strategy."""

from abc import ABC, abstractmethod

from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
from torch import nn

from lm.hardware import Compute
from lm.model import Transformer

# Names of Lightning under which every rank holds the whole model and runs this command by itself.
NAMES = ("auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true")


class Placement(ABC):
    """How a strategy places a model on its ranks.

    Attributes:
        tensor_parallel_size: Ranks that read the same rows and share every matrix.
        is_sharded: Whether the ranks share weights, gradients and optimizer state.
        description: Name of the strategy, for a line to the user.
    """

    tensor_parallel_size: int
    is_sharded: bool
    description: str

    @abstractmethod
    def check(self, *, ranks: int, compute: Compute) -> None:
        """Raise ValueError if that many ranks, or the settings in `compute`, do not fit the strategy."""

    @abstractmethod
    def shard(self, model: Transformer) -> None:
        """Shard the model in place, if the strategy does; a LightningModule calls this in `configure_model`."""

    @abstractmethod
    def whole_model(self) -> nn.Module | None:
        """Return the unsharded model that is being trained, on rank 0; None on others. Every rank must call it."""


class Replicated(Placement):
    """Every rank holds the whole model, as under DDP and in a single process."""

    tensor_parallel_size, is_sharded = 1, False

    def __init__(self, strategy: Strategy | str):
        names = {DDPStrategy: "DDP", SingleDeviceStrategy: "one process"}
        self.strategy, self.description = strategy, names.get(type(strategy), type(strategy).__name__)

    def check(self, *, ranks: int, compute: Compute) -> None:
        named = isinstance(self.strategy, str)
        name = self.strategy if named else type(self.strategy).__name__
        if name not in NAMES if named else not isinstance(self.strategy, DDPStrategy | SingleDeviceStrategy):
            raise ValueError(
                f"trainer.strategy={name}: a run trains in one process, by DDP, or sharded by FSDP2, which its "
                "checkpoints need: set trainer=auto, ddp, fsdp or fsdp_tp, or derive your own from DDPStrategy"
            )

    def shard(self, model: Transformer) -> None:
        return None

    def whole_model(self) -> nn.Module | None:
        return self.strategy.lightning_module.model if self.strategy.is_global_zero else None


def placement_of(strategy: Strategy | str) -> Placement:
    """Return the placement that a Lightning strategy, or the name of one, implies."""
    return strategy if isinstance(strategy, Placement) else Replicated(strategy)
