"""What `train` prints of a run: the plan before the first step, the result after the last one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import Trainer

from lm.checkpoint import context_of
from lm.conversation import Template, has_recorded_template
from lm.data import DataPlan
from lm.model import Cost, Transformer
from lm.parallel import placement_of
from lm.report import scaled
from lm.tokenizer import Tokenizer
from lm.training.setup import Setup
from lm.training.trainer import Devices


def describe_start(
    setup: Setup,
    network: Transformer,
    data_plan: DataPlan,
    *,
    cost: Cost,
    trainer: Trainer,
    resumed: Path | None,
) -> list[str]:
    """Return what is printed before the first step.

    Args:
        setup: The parts of the run.
        network: Its network.
        data_plan: What it reads.
        cost: Parameters of the network.
        trainer: Its Lightning trainer.
        resumed: The checkpoint that training resumes from; None for a run that starts.
    """
    source, template = setup.source, data_plan.rows.template
    return [
        _plan_line(cost, data_plan, trainer=trainer, devices=setup.devices, resumed=resumed),
        *starting_point(source.parent(), network.context),
        *data_plan.describe_stages(),
        *_untrained_turn_tokens(network, template, setup.tokenizer, started_from=source.origin),
    ]


def _plan_line(cost: Cost, data_plan: DataPlan, *, trainer: Trainer, devices: Devices, resumed: Path | None) -> str:
    """Return one line on the model, the length, the data and the machine of a run."""
    trained = ""
    if cost.trained < cost.parameters:
        trained = f", {scaled(cost.trained)} ({cost.trained / cost.parameters:.2%}) of them trained"
    plan, epochs = data_plan.plan, data_plan.epochs
    sources = ", ".join(f"{count:.{0 if count >= 10 else 2}f} of {name}" for name, count in epochs.items())
    strategy = placement_of(trainer.strategy).description
    return (
        f"{cost.parameters / 1e6:.2f} M parameters{trained}, {plan.steps} steps of "
        f"{plan.rows_per_step * plan.row_tokens} tokens, epochs: {sources}, {trainer.precision}, "
        f"{devices.ranks} × {devices.accelerator} ({strategy}), {devices.threads} threads"
        + (f", resuming from {resumed}" if resumed else "")
    )


def starting_point(parent: Mapping[str, Any] | None, context: int) -> list[str]:
    """Return a line on the run that the weights come from, and a note where the context is longer than it was there."""
    if parent is None:
        return []
    seen = parent["tokens_seen"]
    tokens = "" if seen is None else f", {seen} tokens seen"
    step = "" if parent["step"] is None else f", step {parent['step']}"  # a published model has none
    lines = [f"weights of {parent['run']} ({parent['which']}{step}{tokens}), fresh optimizer state"]
    before = parent["context"] if "context" in parent else context_of(parent["run"])
    if context > before:
        lines.append(
            f"note: context {before} → {context}: the model has read no position beyond {before}, so it must "
            "learn them from this run"
        )
    return lines


def _untrained_turn_tokens(
    network: Transformer, template: Template | None, tokenizer: Tokenizer, *, started_from: Path | None
) -> list[str]:
    """Return a note where the turn tokens stay random: the starting model never read them, and nothing trains them."""
    if (
        template is None
        or started_from is None
        or network.embedding.weight.requires_grad
        or has_recorded_template(started_from)
    ):
        return []
    if template.stop_tokens(tokenizer)[0] == tokenizer.end_of_document:  # which the model did read
        return []
    return [
        "note: the embedding is frozen and this model has never read the turn tokens, so they stay random: "
        "model.adapter.whole=[embedding] trains the embedding beside an adapter; without an adapter, take it out of "
        "model.freeze"
    ]


def result_line(
    validation: dict[str, float], *, seconds: float, directory: Path, metric: str = "validation/bits_per_byte"
) -> str:
    """Return one line on what the last validation measured, the time and the place.

    Args:
        validation: Metrics by name.
        seconds: Time of this process.
        directory: That of the run.
        metric: The metric of the objective; those whose names begin with it are named too, as the ends of its interval.
    """
    measured = ", ".join(
        f"{value:.3f} {name.removeprefix('validation/').replace('_', ' ')}"
        for name, value in validation.items()
        if name.startswith(("validation/bits_per_byte", metric))
    )
    return f"{measured or 'done'} in {seconds:.0f} s → {directory}"
