"""Refuse a model or micro-batch that cannot fit into the memory of this machine, before it is built."""

from collections.abc import Callable
from functools import partial

import torch

from lm.hardware import Compute
from lm.model import ModelSource, Transformer
from lm.model.recompute import recompute_activations
from lm.objective import Objective
from lm.optimizer import Budget, Plan
from lm.process.limits import available_memory
from lm.process.ranks import is_first_process
from lm.report import scaled
from lm.training.estimate import per_device
from lm.training.footprint import Footprint, estimate_footprint
from lm.training.trainer import Devices

PER_WEIGHT = 16  # bytes: weights, gradients and the two moments of Adam in fp32
SAMPLE = 4096  # tokens of the step that is estimated; more rows take in proportion
PER_FEATURE = 160  # bytes that a layer keeps for each feature of a token: a generous guess, half of it is usual


def check_fits(
    source: ModelSource,
    objective: Callable[[Transformer], Objective],
    budget: Budget,
    *,
    vocab_size: int,
    compute: Compute,
    devices: Devices,
) -> None:
    """Refuse what cannot fit. What fits with room to spare, by a generous guess, takes no time.

    Args:
        source: Where the network comes from; only its outline is built.
        objective: Makes the objective from a network.
        budget: Rows of a micro-batch.
        vocab_size: Size of the vocabulary.
        compute: Precision and recomputation.
        devices: The devices of the run.

    Raises:
        ValueError: The tensors of a step exceed the memory; with the size of each part and what to set.
    """
    free = _free_memory(devices.accelerator)
    if free is None or not is_first_process():  # other ranks start when the first has taken its share
        return
    build = partial(source.outline, vocab_size=vocab_size)
    with torch.device("meta"):
        outline = build()
    parameters = sum(weight.numel() for weight in outline.parameters())
    plan = budget.of_tokens(budget.batch_tokens).plan(  # the length does not matter
        context=outline.context, devices=devices.count, rows=1, parameters=parameters
    )
    features = outline.embedding.embedding_dim * len(outline.blocks)
    guess = PER_WEIGHT * parameters + PER_FEATURE * features * plan.rows_per_device * plan.context
    if guess < free:
        return

    def built() -> Transformer:
        network = build()
        if compute.activation_checkpointing:
            recompute_activations(network)
        return network

    rows = min(plan.rows_per_device, max(1, SAMPLE // plan.context))
    sample = estimate_footprint(
        built,
        objective,
        rows=rows,
        targets=rows * plan.context,
        separate_documents=False,
        accumulate=plan.accumulate,
        precision=compute.resolve_precision(devices.accelerator, parameters),
    )
    footprint = per_device(_of_rows(sample, plan.rows_per_device / rows), devices)
    if footprint.total > free:
        parts = ", ".join(f"{scaled(size, 'B')} of {part}" for part, size in footprint.parts.items())
        raise ValueError(
            f"a step of this run takes {scaled(footprint.total, 'B')} of memory, and {scaled(free, 'B')} are free: "
            f"{parts}; {_remedy(footprint, plan, free)}"
        )


def _free_memory(accelerator: str) -> int | None:
    if accelerator == "cuda":
        return torch.cuda.mem_get_info()[0]
    return available_memory() if accelerator == "cpu" else None


def _of_rows(sample: Footprint, times: float) -> Footprint:
    """The footprint of so many times the rows; the logits are computed in chunks, which do not grow."""
    parts = sample.parts
    kept = min(parts["gradients"], parts["weights"])  # the other gradients are of activations
    gradients = kept + (parts["gradients"] - kept) * times
    return Footprint(parts | {"activations": round(parts["activations"] * times), "gradients": round(gradients)})


def _remedy(footprint: Footprint, plan: Plan, free: int) -> str:
    """What to set: fewer rows, if the weights leave room for some."""
    parts = footprint.parts
    kept = parts["weights"] + parts["optimizer"] + min(parts["gradients"], parts["weights"])
    most = int(plan.rows_per_device * 0.6 * (free - kept) / (footprint.total - kept))  # the rest is for the allocator
    share = plan.rows_per_device * plan.accumulate
    rows = max((n for n in range(1, min(most, 4096) + 1) if share % n == 0), default=0)
    if rows:
        return f"set budget.rows_per_device={rows}; the same batch is then accumulated from more micro-batches"
    return "choose a smaller model, as model=tiny, or lower model.dim and model.layers; dry_run=true shows the sizes"
