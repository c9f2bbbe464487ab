"""What a training run leaves in its directory, before the first step and after the last one."""

from collections.abc import Sequence
from pathlib import Path

from lm.checkpoint.architecture import ARCHITECTURE, write_architecture
from lm.checkpoint.files import checkpoint_path
from lm.conversation import Template, record_template
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
    templates = record_template(run.directory, template)
    if is_first_process():  # the others may be ahead of it, and files without a manifest are refused
        tokenizer.save(run.directory / "tokenizer.json")
        write_architecture(run.directory, source.describe(vocab_size=tokenizer.vocab_size))
    return [*(run.directory / name for name in ("checkpoints", ARCHITECTURE, "tokenizer.json")), *templates]


def last_checkpoint(run: Run) -> Path | None:
    """Return the checkpoint to resume from; None for a run that starts."""
    last = checkpoint_path(run.directory, "last")
    return (
        last if last.exists() and not run.restart else None
    )  # with restart the first rank removes it, in its own time


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
    run.finish(outputs=outputs, result=result)
    run.console.line(result_line(module.validation, seconds=seconds, directory=run.directory))
