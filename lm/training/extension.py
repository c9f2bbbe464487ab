"""Extend a run by a longer budget: check that nothing but its length changes, and find where it continues."""

from collections.abc import Callable
from typing import Any

from lm.config.build import build
from lm.data import DataPlan
from lm.directory import Run
from lm.directory.manifest import LENGTH_KEYS, config_changes, read_manifest
from lm.optimizer import Budget
from lm.training.minutes import fixed_tokens
from lm.training.outputs import resumable_checkpoint

Schedule = Callable[[int, int], float]


def check_extension(run: Run, data_plan: DataPlan, *, schedule: Schedule, parameters: int) -> dict[str, Any] | None:
    """Check that a longer budget can extend the run, and return what its lineage records.

    Args:
        run: The run; nothing is checked unless `run.extend` is set.
        data_plan: What the longer run reads.
        schedule: Factor of the learning rate as a function of (step, steps).
        parameters: Parameters of the model.

    Returns:
        `steps` before and after, and `from`, the checkpoint and its step where training continues; None if the run is
        not extended, or was by an earlier start with this budget.

    Raises:
        ValueError: There is no such run, something else changes, the budget is shorter, or the steps so far would have
            been different in the longer run.
    """
    if not run.extend:
        return None
    try:
        manifest = read_manifest(run.directory)
    except FileNotFoundError:
        raise ValueError(
            f"run.extend=true: there is no run {run.directory} to extend; check run.name, or leave it out to start one"
        ) from None
    recorded = manifest["config"]
    changes = config_changes(recorded, run.config)
    if others := [f"\n  {key}: {old} → {new}" for key, (old, new) in changes.items() if key not in LENGTH_KEYS]:
        raise ValueError(
            f"run.extend=true changes the length of run {run.directory} and nothing else, but these differ:"
            f"{''.join(others)}\nset them as they were; for other settings {_new_run(run)}"
        )
    if not changes:
        return None
    plan = data_plan.plan
    if run.config["budget"].get("minutes") is not None:
        raise ValueError(
            "run.extend=true: budget.minutes is the time of a run from its start, so it cannot extend one: set "
            f"budget=tokens and budget.tokens to more than {fixed_tokens(manifest['inputs']) or 'it has'}, or run.name "
            "to another name"
        )
    budget: Budget = build({key: value for key, value in recorded["budget"].items() if key != "_partial_"})
    if tokens := budget.seconds and fixed_tokens(manifest["inputs"]):
        budget = budget.of_tokens(tokens)
    shorter = budget.plan(
        row_tokens=plan.row_tokens, devices=plan.devices, rows=len(data_plan.rows), parameters=parameters
    )
    if plan.steps < shorter.steps:
        lengths = ", ".join(f"{key}: {old} → {new}" for key, (old, new) in changes.items())
        raise ValueError(
            f"run.extend=true: {lengths} is shorter: {plan.steps} instead of {shorter.steps} steps; raise it, or set "
            "run.name to another name"
        )
    checkpoint, step = resumable_checkpoint(run, steps=plan.steps, schedule=schedule)
    _check_order(run, data_plan, data_plan.rows.plan(shorter, seed=data_plan.order.seed), step=step)
    where = {"checkpoint": checkpoint.stem if checkpoint else None, "step": step}
    return {"steps": [shorter.steps, plan.steps], "from": where}


def describe_extension(extension: dict[str, Any] | None, schedule: Schedule) -> list[str]:
    """Return a line on where an extended run continues, and whether its warm-up was that of the shorter run."""
    if extension is None:
        return []
    (shorter, longer), done = extension["steps"], extension["from"]["step"]
    same = all(schedule(step, shorter) == schedule(step, longer) for step in range(done))
    warm_up = "" if same else f"; the warm-up was that of {shorter} steps"
    return [f"extended from {shorter} to {longer} steps: continues at step {done}{warm_up}"]


def _check_order(run: Run, longer: DataPlan, shorter: DataPlan, *, step: int) -> None:
    """Refuse a mixture by which the steps so far would have read other rows in the longer run."""
    rows = step * longer.plan.rows_per_step
    if not longer.order.begins_like(shorter.order, rows):
        raise ValueError(
            f"run.extend=true: with {longer.plan.steps} steps data.mixture gives the first {step} steps other rows: a "
            "stage ends at a share of the run (data.mixture.until), or data.excess=redistribute depends on its length; "
            f"{_new_run(run)}"
        )


def _new_run(run: Run) -> str:
    return (
        "start another run from its weights: "
        f"lm {run.job} model=checkpoint model.path={run.directory} model.which=last run.name=NAME"
    )
