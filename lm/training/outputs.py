"""What a training run leaves in its directory, before the first step and after the last one."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lm.checkpoint.architecture import ARCHITECTURE, write_architecture
from lm.checkpoint.files import (
    AGAIN,
    check_identity,
    check_whole,
    checkpoint_path,
    is_lost,
    read_facts,
    report_checkpoint_damage,
)
from lm.conversation import Template, inherit_template, record_template
from lm.data import DataPlan
from lm.model import Cost, ModelSource
from lm.objective import Objective
from lm.process.ranks import is_first_process
from lm.run import Run
from lm.tokenizer import Tokenizer
from lm.training.summary import result_line


def describe_run(run: Run, source: ModelSource, tokenizer: Tokenizer, template: Template | None) -> list[Path]:
    """Write what makes the directory stand alone: tokenizer, architecture and template.

    Returns:
        The outputs that the finished run will have, checkpoints included.
    """
    templates = record_template(run.directory, template) or inherit_template(run.directory, source.origin)
    if is_first_process():  # the others may be ahead of it, and files without a manifest are refused
        tokenizer.save(run.directory / "tokenizer.json")
        write_architecture(run.directory, source.describe(vocab_size=tokenizer.vocab_size))
    return [*(run.directory / name for name in ("checkpoints", ARCHITECTURE, "tokenizer.json")), *templates]


def last_checkpoint(run: Run, *, steps: int) -> Path | None:
    """Return the checkpoint to resume from; None for a run that starts.

    Args:
        run: The run.
        steps: Steps of its plan.

    Raises:
        ValueError: The checkpoint is damaged, of another run, or beyond the plan.
    """
    last, best = (checkpoint_path(run.directory, which) for which in ("last", "best"))
    if run.restart or not (last.exists() or is_lost(last)):
        return None  # with restart the first rank removes it, in its own time
    with report_checkpoint_damage(last):
        facts = read_facts(last)
        facts["global_step"]  # required
    _check_own(last, facts, run, steps=steps)
    with suppress(Exception):  # a missing or damaged best does not matter: the next validation replaces it
        facts = read_facts(best)
    _check_own(best, facts, run, steps=steps)
    return last


def _check_own(file: Path, facts: Mapping[str, Any], run: Run, *, steps: int) -> None:
    check_identity(file, facts, run.identity)
    if (step := facts["global_step"]) > steps:
        raise ValueError(
            f"{file} is at step {step}, beyond the {steps} steps of this run: copy this run's own back, or {AGAIN}"
        )


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


def record_result(
    run: Run,
    module: Objective,
    data_plan: DataPlan,
    cost: Cost,
    *,
    skipped: Sequence[tuple[int, int]],
    outputs: Sequence[Path],
    seconds: float,
) -> None:
    """Write the manifest of the finished run, and print its result.

    Args:
        run: The run.
        module: Its objective, after the last step; a callback may have stopped it before the planned one.
        data_plan: Which rows each step read.
        cost: Parameters of the network.
        skipped: First and last steps of the spans whose updates were skipped or undone; their rows were read.
        outputs: Files and directories that the manifest names with their hashes.
        seconds: Time of this process.
    """
    steps, plan = module.global_step, data_plan.plan
    result = {
        **module.validation,
        "parameters": cost.parameters,
        "trained": cost.trained,
        "tokens": steps * plan.rows_per_step * plan.context,
        "seconds": seconds,
        **data_plan.summarize(steps),
        **({"steps_without_effect": [*skipped]} if skipped else {}),
    }
    _drop_damaged_best(run)
    run.finish(outputs=outputs, result=result)
    run.console.line(result_line(module.validation, seconds=seconds, directory=run.directory))
