"""The price of a training run before it is paid: what it reads, computes, holds and costs, here and on known GPUs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from lightning import LightningModule

from lm.data.module import RowDataModule
from lm.hardware import Compute
from lm.hardware.datasheets import DATASHEETS, Machine, measured
from lm.model import Transformer, model_cost
from lm.model.recompute import recompute_activations
from lm.objective import Footprint, footprint
from lm.optimizer import Budget
from lm.parallel.sharding import check_tensor_parallel
from lm.parallel.strategy import TENSOR
from lm.report import Line, aligned, scaled
from lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Devices:
    """What a run would be carried out on: `count` groups of `tensor` devices, each group with rows of its own.

    Where it is `sharded`, all of them share out weights, gradients and optimizer.
    """

    accelerator: str
    count: int
    tensor: int = 1
    sharded: bool = False

    @property
    def ranks(self) -> int:
        return self.count * self.tensor


def price(
    build: Callable[[], Transformer],
    objective: Callable[[Transformer], LightningModule],
    data: RowDataModule,
    *,
    tokenizer: Tokenizer,
    budget: Budget,
    compute: Compute,
    devices: Devices,
    seed: int,
    prices: Mapping[str, float],
) -> str:
    """Everything as a table in words; ValueError where the run would be refused. No weights are read."""
    if strange := sorted(prices.keys() - {*DATASHEETS, "here"}):
        raise ValueError(f"prices.{strange[0]}: there is {', '.join(DATASHEETS)}, and here for this machine")
    with torch.device("meta"):
        model = build()
    check_tensor_parallel(model, devices.tensor, key=TENSOR)
    cost = model_cost(model)
    known = data.sketch(tokenizer=tokenizer, context=model.context)
    plan = budget.plan(context=model.context, devices=devices.count, rows=data.rows, parameters=cost.parameters)
    data.arrange(plan, seed=seed)
    flops = cost.flops_per_token * plan.tokens
    rows = plan.rows_per_step * plan.steps
    epochs = dict(zip(data.sources, data.order.epochs(rows), strict=True))
    read = sum(epochs[name] * data.scored(source) for name, source in data.sources.items())
    targets = min(1.0, read / plan.tokens) * plan.rows_per_device * plan.context

    def built() -> Transformer:
        network = build()
        if compute.activation_checkpointing:
            recompute_activations(network)
        return network

    def held(precision: str) -> Footprint:
        found = footprint(
            built,
            objective,
            rows=plan.rows_per_device,
            targets=max(1, round(targets)),
            separate=data.separate,
            accumulate=plan.accumulate,
            precision=precision,
        )
        return _share(found, devices)

    here = compute.resolve_precision(devices.accelerator, cost.parameters)
    there = "bf16-mixed" if compute.precision == "auto" else here
    footprints = {precision: held(precision) for precision in {here, there}}
    machines = [("here", here, measured(devices.accelerator, here))]
    machines += [(name, there, sheet.machine(name, there)) for name, sheet in DATASHEETS.items()]
    attention = cost.attention_flops / cost.flops_per_token
    each = f"groups of {devices.tensor} devices" if devices.tensor > 1 else "devices"
    batch = f"{plan.devices} {each} × {plan.accumulate} micro-batches × {plan.rows_per_device} rows × {plan.context}"
    frozen = f", {scaled(cost.trained)} trained" if cost.trained < cost.parameters else ""
    lines = [
        Line(
            "parameters",
            scaled(cost.parameters),
            f"{scaled(cost.tables)} in embeddings, {scaled(cost.multiplied)} active in a token{frozen}",
        ),
        Line("steps", f"{plan.steps}", f"of {budget.batch_tokens} tokens, which divide: {batch}"),
        Line("tokens", scaled(plan.tokens), f"{plan.tokens / cost.parameters:.3g} a parameter"),
        *(
            Line(f"epochs of {name}", f"{epochs[name]:.3g}", f"{len(data.sources[name])} rows, {known}")
            for name in epochs
        ),
        *(Line("mixture", "", told) for told in data.planned()),
        Line("FLOPs", scaled(flops), f"{scaled(cost.flops_per_token)} a token, {attention:.0%} of it attention"),
        *_memory(here, footprints[here], devices),
        Line(),
    ]
    for name, precision, machine in machines:
        lines.append(_machine(machine, footprints[precision], devices.ranks, flops=flops, price=prices.get(name)))
    return aligned(lines)


def _share(held: Footprint, devices: Devices) -> Footprint:
    """What one of them holds. Of activations tensor parallelism shares out a part, which is not taken off here."""
    if not devices.sharded:
        return held
    shared = {part: held.parts[part] for part in ("weights", "optimizer")}
    shared["gradients"] = min(held.parts["gradients"], held.parts["weights"])  # the others are of activations
    parts = {
        part: size - shared.get(part, 0) * (devices.ranks - 1) // devices.ranks for part, size in held.parts.items()
    }
    return Footprint(parts | {"logits": held.parts["logits"] // devices.tensor})


def _memory(precision: str, held: Footprint, devices: Devices) -> list[Line]:
    exchanged = ", what devices exchange" if devices.ranks > 1 else ""  # DDP's buckets are as large as the gradients
    if devices.sharded:
        exchanged += ", a block and the table of embeddings gathered"
    at_once = f"of tensors a device at the fullest moment, {precision}; on top{exchanged}, allocator and libraries"
    parts = [Line(f"  {part}", scaled(size, "B"), f"{size / held.total:.0%}") for part, size in held.parts.items()]
    return [Line("memory", scaled(held.total, "B"), at_once), *parts]


def _machine(machine: Machine, held: Footprint, devices: int, *, flops: float, price: float | None) -> Line:
    seconds = flops / (machine.flops * machine.utilization * devices)
    cost = "" if price is None else f", {price * devices * seconds / 3600:.2f} to pay"
    fits = "" if held.total <= machine.memory else ": TOO MUCH"
    return Line(
        f"on {devices} × {machine.name}",
        duration(seconds),
        f"{scaled(held.total, 'B')} of {scaled(machine.memory, 'B')}{fits}{cost}; {machine.source} × "
        f"{machine.utilization:g} assumed",
    )


def duration(seconds: float) -> str:
    """Two figures and a unit."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s"
