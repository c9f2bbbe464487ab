"""Check before the first step that all ranks will do the same."""

from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer

from lm.checkpoint.files import checkpoint_path
from lm.data import DataPlan
from lm.directory.manifest import versions
from lm.files import hash_bytes, hash_json


class RankConsistency(Callback):
    """Compare plan, order, inputs, model, checkpoint and packages over the ranks, once.

    Ranks with unequal step counts would wait for each other for ever. All of it follows from config and files, so it
    differs only if a node has other files or packages. A few hashes
    are exchanged; no data are read again.

    Args:
        inputs: Label → fingerprint of everything the run reads.

    Raises:
        ValueError: The ranks differ; the message lists each difference.
    """

    def __init__(self, inputs: Mapping[str, str]):
        self.inputs = inputs

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.world_size == 1:
            return
        own = {
            **self.inputs,
            **_plan(trainer.datamodule.data_plan),
            "parameters": hash_json([[name, list(value.shape)] for name, value in pl_module.named_parameters()]),
            "checkpoints/last.ckpt": _content(checkpoint_path(trainer.default_root_dir, "last")),
            **{f"version of {package}": version for package, version in versions().items()},
        }
        everyone: list[dict[str, str]] = [{}] * trainer.world_size
        torch.distributed.all_gather_object(everyone, own)
        if differences := rank_differences(everyone):
            lines = "".join(f"\n  {line}" for line in differences)
            raise ValueError(
                f"the ranks differ:{lines}\ngive every node the same data, run directory and packages, "
                "preferably on a shared file system"
            )


def rank_differences(everyone: list[dict[str, str]]) -> list[str]:
    """Return one line per fact that is not the same on all ranks."""
    lines = []
    for fact in {name: None for facts in everyone for name in facts}:
        values = [facts.get(fact, "none") for facts in everyone]
        rank = next((rank for rank, value in enumerate(values) if value != values[0]), None)
        if rank is not None:
            lines.append(f"{fact}: {values[0][:12]} on rank 0, {values[rank][:12]} on rank {rank}")
    return lines


def _plan(data_plan: DataPlan) -> dict[str, str]:
    """Describe the steps, their rows and the order of the rows."""
    plan, order, rows = data_plan.plan, data_plan.order, data_plan.rows
    ends = [order.rows(step * plan.rows_per_step, (step + 1) * plan.rows_per_step) for step in (0, plan.steps - 1)]
    counts = [*rows.sources.values(), *([rows.validation] if rows.validation else [])]
    return {
        "steps": str(plan.steps),
        "rows per step": str(plan.rows_per_step),
        "micro-batches per step": str(plan.accumulate),
        "rows per micro-batch": str(plan.rows_per_device),
        "validation rows": str(len(rows.validation or ())),
        **{f"rows of {name}": str(len(source)) for name, source in rows.sources.items()},
        "supervised targets": hash_json([_hash(source.counts) for source in counts]),
        "order of rows": hash_json([order.seed, [[_hash(part) for part in batch] for batch in ends]]),
    }


def _hash(values: np.ndarray) -> str:
    return hash_bytes(np.ascontiguousarray(values, dtype=np.int64).tobytes())


def _content(path: Path) -> str:
    """Hash the names and checksums of a checkpoint's entries, without reading their content."""
    if not path.exists():
        return "none"
    try:
        with ZipFile(path) as file:
            return hash_json([[entry.filename, entry.CRC] for entry in file.infolist()])
    except (BadZipFile, OSError):  # sharded, or damaged, which loading it reports
        return "unknown"
