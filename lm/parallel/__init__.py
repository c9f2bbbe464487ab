"""How a model is placed on ranks: whole on each (DDP), or sharded (FSDP2, tensor parallelism).

`placement_of(strategy)` answers what other packages ask of a strategy; `Sharded` is the strategy for large models.
"""

from lm.parallel.placement import Placement, placement_of
from lm.parallel.strategy import Sharded

__all__ = ["Placement", "Sharded", "placement_of"]
