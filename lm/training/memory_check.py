"""Refuse a model or micro-batch that cannot fit into the memory of this machine, before it is built."""

from collections.abc import Callable

import torch

from lm.optimizer import Budget, Plan
from lm.process.limits import available_memory
from lm.process.ranks import is_first_process
from lm.report import scaled
from lm.training.footprint import Footprint
from lm.training.setup import Setup

PER_WEIGHT = 16  # bytes: weights, gradients and the two moments of Adam in fp32
SAMPLE = 4096  # tokens of the step that is estimated; more rows take in proportion
PER_FEATURE = 160  # bytes that a layer keeps for each feature of a token: a generous guess, half of it is usual


def check_fits(setup: Setup, budget: Budget, *, row_tokens: Callable[[int], int] = int) -> None:
    """Refuse what cannot fit. What fits with room to spare, by a generous guess, takes no time.

    Args:
        setup: The parts of the run; only the outline of the network is built.
        budget: Rows of a micro-batch.
        row_tokens: Tokens of a row as a function of the model's context, as `TrainingData.row_tokens`.

    Raises:
        ValueError: The tensors of a step exceed the memory; with the size of each part and what to set.
    """
    free = free_memory(setup.devices.accelerator)
    if free is None or not is_first_process():  # other ranks start when the first has taken its share
        return
    outline = setup.outline()
    parameters = sum(weight.numel() for weight in outline.parameters())
    width = row_tokens(outline.context)
    budget = budget.in_tokens(width)
    plan = budget.of_tokens(budget.batch_tokens).plan(  # the length does not matter
        row_tokens=width, devices=setup.devices.count, rows=1, parameters=parameters
    )
    features = outline.embedding.embedding_dim * len(outline.blocks)
    guess = PER_WEIGHT * parameters + PER_FEATURE * features * plan.rows_per_device * plan.row_tokens
    if guess < free:
        return
    rows = min(plan.rows_per_device, max(1, SAMPLE // plan.row_tokens))
    sample = setup.footprint(
        rows=rows,
        row_tokens=plan.row_tokens,
        targets=rows * plan.row_tokens,
        separate_documents=False,
        accumulate=plan.accumulate,
        precision=setup.precision(parameters),
    )
    footprint = _of_rows(sample, plan.rows_per_device / rows)
    if footprint.total > free:
        parts = ", ".join(f"{scaled(size, 'B')} of {part}" for part, size in footprint.parts.items())
        raise ValueError(
            f"a step of this run takes {scaled(footprint.total, 'B')} of memory, and {scaled(free, 'B')} are free: "
            f"{parts}; {_remedy(footprint, plan, free)}"
        )


def free_memory(accelerator: str) -> int | None:
    """Return the bytes that a step may take; None where the system does not say."""
    if accelerator == "cuda":
        return torch.cuda.mem_get_info()[0]
    return available_memory() if accelerator == "cpu" else None


def _of_rows(sample: Footprint, times: float) -> Footprint:
    """The footprint of so many times the rows; the logits are computed in chunks, which do not grow."""
    parts = sample.passes
    kept = min(parts["gradients"], parts["weights"])  # the other gradients are of activations
    gradients = kept + (parts["gradients"] - kept) * times
    grown = parts | {"activations": round(parts["activations"] * times), "gradients": round(gradients)}
    return Footprint(grown, sample.update)


def _remedy(footprint: Footprint, plan: Plan, free: int) -> str:
    """What to set: fewer rows, if the weights leave room for some."""
    parts = footprint.passes
    kept = parts["weights"] + parts["optimizer"] + min(parts["gradients"], parts["weights"])
    of_rows = sum(parts.values()) - kept
    fits = free > sum(footprint.update.values())
    most = int(plan.rows_per_device * 0.6 * (free - kept) / of_rows) if fits else 0  # the rest is for the allocator
    share = plan.rows_per_device * plan.accumulate
    rows = max((n for n in range(1, min(most, 4096) + 1) if share % n == 0), default=0)
    if rows:
        return f"set budget.rows_per_device={rows}; the same batch is then accumulated from more micro-batches"
    return "choose a smaller model, as model=tiny, or lower model.dim and model.layers; dry_run=true shows the sizes"
