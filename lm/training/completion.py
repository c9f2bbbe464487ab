"""What a training run does after its last step: the last checkpoint, the result and the manifest."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from lightning import Trainer

from lm.callbacks import Interruption, saves_last, steps_without_effect
from lm.checkpoint.files import check_whole, checkpoint_path, save
from lm.data import DataPlan
from lm.directory import Run
from lm.model import Cost
from lm.objective import Objective
from lm.sweep import Metric
from lm.training.summary import result_line


def complete_run(
    run: Run,
    trainer: Trainer,
    data_plan: DataPlan,
    cost: Cost,
    *,
    outputs: Sequence[Path],
    interruption: Interruption,
    started_at: float,
) -> None:
    """Save `last`, write the manifest of the finished run, and print its result. All ranks call it together.

    Args:
        run: The run.
        trainer: Its trainer, after the last step; a callback may have stopped it before the planned one.
        data_plan: Which rows each step read.
        cost: Parameters of the network.
        outputs: Files and directories that the manifest names with their hashes.
        interruption: What caught signals while it trained.
        started_at: When this process started the run, by `perf_counter`.

    Raises:
        Interrupted: A signal arrived after the last step; nothing is to follow this run.
    """
    if not saves_last(trainer.callbacks):
        save(trainer, "last")  # no callback has
    if not trainer.is_global_zero:
        return
    module, plan = trainer.lightning_module, data_plan.plan
    steps, seconds = module.global_step, perf_counter() - started_at
    skipped = steps_without_effect(trainer.callbacks)  # whose rows were read all the same
    result = {
        **module.validation,
        "parameters": cost.parameters,
        "trained": cost.trained,
        "tokens": steps * plan.rows_per_step * plan.row_tokens,
        "seconds": seconds,
        **data_plan.summarize(steps),
        **({"steps_without_effect": [*skipped]} if skipped else {}),
    }
    _drop_damaged_best(run)
    metric = returned(module, module.validation)
    described = None if metric is None else {"name": metric.name, "value": float(metric), "mode": metric.mode}
    run.finish(outputs=outputs, result=result, metric=described)
    run.console.line(result_line(module.validation, seconds=seconds, directory=run.directory, metric=module.metric))
    interruption.raise_if_received(f"{run.directory} is complete")


def _drop_damaged_best(run: Run) -> None:
    """Remove a damaged best.ckpt that no validation has replaced, and say so: `last.ckpt` is read in its place."""
    best = checkpoint_path(run.directory, "best")
    if not best.exists():
        return
    try:
        check_whole(best)
    except Exception as error:
        run.console.line(f"note: {best} is damaged ({error}) and no validation follows: it is removed")
        best.unlink() if not best.is_dir() or best.is_symlink() else shutil.rmtree(best)


def returned(module: Objective, measured: Mapping[str, Any]) -> Metric | None:
    """What a run returns: the objective's metric among those of the last validation; None if nothing was validated."""
    value = measured.get(module.metric)
    return None if value is None else Metric(value, name=module.metric, mode=module.mode)
