"""Muon's updates in a process that is one rank of several, for tests that compare them with one process."""

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

from lm.optimizer.orthogonal import orthogonalize_all

SHAPES = [(6, 8), (8, 6), (3, 8), (6, 8), (5, 5), (8, 3)]  # rows that two ranks cannot share equally among them
PLACEMENTS = {"whole": None, "rows": Shard(0), "columns": Shard(1), "copies": Replicate()}


def matrices() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


def save_updates(directory, environment: dict[str, str]) -> None:
    """Save this rank's updates by placement, gathered by torch from the shards that Muon returns."""
    os.environ.update(environment)
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    found = {}
    for name, placement in PLACEMENTS.items():
        given = matrices()
        if placement is not None:
            given = [distribute_tensor(each, mesh, [placement]) for each in given]
        found[name] = orthogonalize_all(given)
        if placement is not None:
            expected = [each.to_local().shape for each in given]
            assert [each.shape for each in found[name]] == expected, name
    torch.save(found, directory / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()
