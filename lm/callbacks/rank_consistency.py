"""Before the first step all ranks prove that they will do the same: ranks of unequal step counts wait for ever."""

from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer

from lm.checkpoint.checkpoint import checkpoint_path
from lm.data.module import RowDataModule
from lm.files import hash_bytes, hash_json
from lm.run.manifest import versions


class RankConsistency(Callback):
    """Compare plan, order, inputs, model, checkpoint and packages over the ranks, once, and refuse what differs.

    All of it follows from config and files, so it can differ only where a node has other files or packages.
    A few hashes are exchanged; no data are read again. `inputs` are the fingerprints of what the run reads, by label.
    """

    def __init__(self, inputs: Mapping[str, str]):
        self.inputs = inputs

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.world_size == 1:
            return
        own = {
            **self.inputs,
            **_plan(trainer.datamodule),
            "parameters": hash_json([[name, list(value.shape)] for name, value in pl_module.named_parameters()]),
            "checkpoints/last.ckpt": _content(checkpoint_path(trainer.default_root_dir, "last")),
            **{f"version of {package}": version for package, version in versions().items()},
        }
        everyone: list[dict[str, str]] = [{}] * trainer.world_size
        torch.distributed.all_gather_object(everyone, own)
        if differing := disagreements(everyone):
            lines = "".join(f"\n  {line}" for line in differing)
            raise ValueError(
                f"the ranks would not do the same:{lines}\ngive every node the same data, run directory and packages, "
                "best on a shared file system"
            )


def disagreements(everyone: list[dict[str, str]]) -> list[str]:
    """A line for each fact that is not the same on all ranks."""
    found = []
    for fact in {name: None for facts in everyone for name in facts}:
        values = [facts.get(fact, "none") for facts in everyone]
        rank = next((rank for rank, value in enumerate(values) if value != values[0]), None)
        if rank is not None:
            found.append(f"{fact}: {values[0][:12]} on rank 0, {values[rank][:12]} on rank {rank}")
    return found


def _plan(data: RowDataModule) -> dict[str, str]:
    """How many steps there are, of what, and in which order."""
    plan, order = data.plan, data.order
    ends = [order.rows(step * plan.rows_per_step, (step + 1) * plan.rows_per_step) for step in (0, plan.steps - 1)]
    counts = [*data.sources.values(), *([data.validation] if data.validation else [])]
    return {
        "steps": str(plan.steps),
        "rows a step": str(plan.rows_per_step),
        "micro-batches a step": str(plan.accumulate),
        "rows a micro-batch": str(plan.rows_per_device),
        "rows for validation": str(len(data.validation or ())),
        **{f"rows of {name}": str(len(source)) for name, source in data.sources.items()},
        "supervised targets": hash_json([_hash(source.counts) for source in counts]),
        "order of rows": hash_json([order.seed, [[_hash(part) for part in batch] for batch in ends]]),
    }


def _hash(values: np.ndarray) -> str:
    return hash_bytes(np.ascontiguousarray(values, dtype=np.int64).tobytes())


def _content(path: Path) -> str:
    """What a checkpoint says of its content, without reading that."""
    if not path.exists():
        return "none"
    try:
        with ZipFile(path) as file:
            return hash_json([[entry.filename, entry.CRC] for entry in file.infolist()])
    except (BadZipFile, OSError):  # in several files, or damaged, which whoever loads it will find out
        return "unknown"
