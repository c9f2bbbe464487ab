"""What a training run writes before its first step, and the checkpoint that it resumes from."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lm.checkpoint.architecture import ARCHITECTURE, write_architecture
from lm.checkpoint.files import (
    AGAIN,
    check_identity,
    checkpoint_path,
    is_lost,
    read_facts,
    report_checkpoint_damage,
)
from lm.conversation import Template, inherit_template, record_template
from lm.directory import Run
from lm.model import ModelSource
from lm.optimizer import continues
from lm.process.ranks import is_first_process
from lm.tokenizer import Tokenizer


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


def resumable_checkpoint(
    run: Run, *, steps: int, schedule: Callable[[int, int], float], identity: str | None = None
) -> tuple[Path | None, int]:
    """Return the checkpoint to resume from and its step; None and 0 for a run that starts.

    It is `last`, unless that was trained for a shorter budget, at learning rates that this one would not have given;
    then it is `stable`, the checkpoint before they differ.

    Args:
        run: The run.
        steps: Steps of its plan.
        schedule: Factor of the learning rate as a function of (step, steps).
        identity: That of the run, which its checkpoints must have; None before it is known.

    Raises:
        ValueError: The checkpoint is damaged, of another run, or beyond the plan, or the run cannot be extended.
    """
    last, stable, best = (checkpoint_path(run.directory, which) for which in ("last", "stable", "best"))
    if run.restart or not (last.exists() or is_lost(last)):
        return None, 0  # with restart the first rank removes it, in its own time
    facts = _read_own(last, identity, steps=steps)
    trained_for = facts.get("steps", steps)  # an earlier version did not say
    with suppress(Exception):  # a missing or damaged best does not matter: the next validation replaces it
        facts = read_facts(best)
    _check_own(best, facts, identity, steps=steps)
    for file in (last, stable):
        if file.exists():
            facts = _read_own(file, identity, steps=steps)
            done = facts["global_step"]
            if continues(schedule, done, steps=facts.get("steps", trained_for), longer=steps):
                return file, done
    raise ValueError(
        f"run.extend=true: {last} has learning rates of a run of {trained_for} steps, which one of {steps} steps would "
        f"not have had, and {'' if stable.exists() else 'there is no '}{stable.name} "
        f"{'too' if stable.exists() else 'from before they fell'} (schedule=warmup_stable_decay and constant can be "
        "extended, cosine cannot); start another run from its weights, with a warm-up of its own: "
        f"lm {run.job} model=checkpoint model.path={run.directory} model.which=last run.name=NAME"
    )


def _read_own(file: Path, identity: str | None, *, steps: int) -> Mapping[str, Any]:
    with report_checkpoint_damage(file):
        facts = read_facts(file)
        facts["global_step"]  # required
    _check_own(file, facts, identity, steps=steps)
    return facts


def _check_own(file: Path, facts: Mapping[str, Any], identity: str | None, *, steps: int) -> None:
    check_identity(file, facts, identity)
    if (step := facts["global_step"]) > steps:
        raise ValueError(
            f"{file} is at step {step}, beyond the {steps} steps of this run: copy this run's own back, or {AGAIN}"
        )
