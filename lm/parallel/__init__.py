"""Strategies that shard a model over devices: FSDP2 and tensor parallelism."""

from lm.parallel.strategy import Sharded

__all__ = ["Sharded"]
