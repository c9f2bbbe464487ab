"""Estimate a run before it starts: what it reads, computes, holds in memory and costs, here and on known GPUs."""

from collections.abc import Callable, Mapping
from typing import Any

from lm.conversation import check_template_loadable
from lm.data import DataPlan, TrainingData
from lm.hardware.datasheets import DATASHEETS, Machine, measure_machine
from lm.model import Cost, ModelSource, model_cost
from lm.optimizer import Budget, Plan
from lm.process.limits import resident_memory
from lm.report import Line, aligned, scaled
from lm.training.footprint import Footprint
from lm.training.setup import Setup
from lm.training.summary import starting_point
from lm.training.trainer import Devices


def estimate_cost(
    setup: Setup,
    data: TrainingData,
    budget: Budget,
    *,
    seed: int,
    prices: Mapping[str, float],
    extend: Callable[..., dict[str, Any] | None] = lambda data_plan, *, parameters: None,
) -> str:
    """Return a table of everything a run would take, after the notes on its data. No weights and no tokens are read.

    Args:
        setup: The parts of the run; only the outline of the network is built.
        data: Counts its rows instead of reading them.
        budget: Length of the run.
        seed: Seed of the data order.
        prices: Price of a device hour by the name of a datasheet, or `here` for this machine.
        extend: Checks that the run may be extended, given its plan, and returns where it continues.

    Raises:
        ValueError: Where the run itself would be refused, or for a price without a datasheet.
    """
    if unknown := sorted(prices.keys() - {*DATASHEETS, "here"}):
        raise ValueError(f"prices.{unknown[0]}: there is {', '.join(DATASHEETS)}, and here for this machine")
    libraries = resident_memory()  # those that the run imports are imported
    source, devices = setup.source, setup.devices
    source.fingerprint()  # refuses a run that is not finished
    model = setup.outline()
    cost = model_cost(model)
    rows = data.sketch(tokenizer=setup.tokenizer, context=model.context)
    row_tokens = data.row_tokens(model.context)
    budget = budget.in_tokens(row_tokens)
    check_template_loadable(rows.template)
    here = setup.precision(cost.parameters)
    this_machine = measure_machine(devices.accelerator, here)
    length = _in_tokens(budget, this_machine, cost, devices)
    plan = length.plan(row_tokens=row_tokens, devices=devices.count, rows=len(rows), parameters=cost.parameters)
    data_plan = rows.plan(plan, seed=seed)
    extension = extend(data_plan, parameters=cost.parameters)
    there = "bf16-mixed" if setup.compute.precision == "auto" else here
    machines = [("here", here, this_machine)]
    machines += [(name, there, sheet.machine(name, there)) for name, sheet in DATASHEETS.items()]
    footprints = {precision: _footprint(setup, data_plan, precision) for precision in {here, there}}
    beside = footprints[here].holes + libraries if devices.accelerator == "cpu" else 0
    table = aligned(
        [
            *_size(cost, plan, devices, batch_tokens=length.batch_tokens),
            *_start(source, budget, plan, extension, context=model.context),
            *_reading(data_plan),
            _flops(cost, plan),
            *_memory(here, footprints[here], devices, libraries=libraries),
            Line(),
            *(
                _machine(
                    machine,
                    footprints[precision].total + (beside if name == "here" else 0),
                    devices.ranks,
                    flops=cost.flops_per_token * plan.tokens,
                    price=prices.get(name),
                )
                for name, precision, machine in machines
            ),
        ]
    )
    return "\n".join([*rows.notes, table])


def _in_tokens(budget: Budget, machine: Machine, cost: Cost, devices: Devices) -> Budget:
    """The budget, or, of one of minutes, the whole batches that fit by the assumed speed."""
    if budget.seconds is None:
        return budget
    speed = machine.flops * machine.utilization * devices.ranks
    batches = int(budget.seconds * speed / cost.flops_per_token / budget.batch_tokens)
    return budget.of_tokens(max(1, batches) * budget.batch_tokens)


def _footprint(setup: Setup, data_plan: DataPlan, precision: str) -> Footprint:
    """Memory of one device in the step of one micro-batch with the run's average number of targets."""
    plan, rows = data_plan.plan, data_plan.rows
    loss_targets = sum(count * rows.sources[name].loss_targets for name, count in data_plan.epochs.items())
    targets = min(1.0, loss_targets / plan.tokens) * plan.rows_per_device * plan.row_tokens
    return setup.footprint(
        rows=plan.rows_per_device,
        row_tokens=plan.row_tokens,
        targets=max(1, round(targets)),
        separate_documents=rows.separate_documents,
        accumulate=plan.accumulate,
        precision=precision,
    )


def _size(cost: Cost, plan: Plan, devices: Devices, *, batch_tokens: int) -> list[Line]:
    """Parameters, steps and tokens."""
    group = f"groups of {devices.tensor} devices" if devices.tensor > 1 else "devices"
    batch = (
        f"{plan.devices} {group} × {plan.accumulate} micro-batches × {plan.rows_per_device} rows × {plan.row_tokens}"
    )
    frozen = f", {scaled(cost.trained)} trained" if cost.trained < cost.parameters else ""
    return [
        Line(
            "parameters",
            scaled(cost.parameters),
            f"{scaled(cost.embeddings)} in embeddings, {scaled(cost.active)} active per token{frozen}",
        ),
        Line("steps", f"{plan.steps}", f"of {batch_tokens} tokens: {batch}"),
        Line("tokens", scaled(plan.tokens), f"{plan.tokens / cost.parameters:.3g} per parameter"),
    ]


def _start(
    source: ModelSource, budget: Budget, plan: Plan, extension: dict[str, Any] | None, *, context: int
) -> list[Line]:
    """What the length is taken from, and the weights and the step that training starts from."""
    lines = []
    if budget.seconds is not None:
        note = "by the speed assumed below; the run itself times its steps first"
        lines.append(Line("minutes", f"{budget.seconds / 60:g}", note))
    if extension:
        lines.append(Line("continues", f"{extension['from']['step']}", f"steps are done of {plan.steps}"))
    return [*lines, *(Line("starts from", "", text) for text in starting_point(source.parent(), context))]


def _flops(cost: Cost, plan: Plan) -> Line:
    """Arithmetic of the run."""
    attention = cost.attention_flops / cost.flops_per_token
    note = f"{scaled(cost.flops_per_token)} per token, {attention:.0%} of it attention"
    return Line("FLOPs", scaled(cost.flops_per_token * plan.tokens), note)


def _reading(data_plan: DataPlan) -> list[Line]:
    """Epochs of each source, and the mixture."""
    rows = data_plan.rows
    return [
        *(
            Line(f"epochs of {name}", f"{count:.3g}", f"{len(rows.sources[name])} rows, {rows.basis}")
            for name, count in data_plan.epochs.items()
        ),
        *(Line("mixture", "", stage) for stage in data_plan.describe_stages()),
    ]


def _memory(precision: str, footprint: Footprint, devices: Devices, *, libraries: int) -> list[Line]:
    """The memory of a device by part: on a CPU all that the process holds, on a GPU the tensors."""
    parts = dict(footprint.parts)
    note = f"held by a process at the peak, {precision}"
    if devices.accelerator == "cpu":
        parts |= {"allocator": footprint.holes, "libraries": libraries}
    else:
        note = f"of tensors on a device at the peak, {precision}; on top, allocator and libraries"
    if devices.ranks > 1:
        note += "; on top what devices exchange"  # DDP's buckets are as large as the gradients
    if devices.sharded:
        note += ", one block and the embeddings gathered"
    total = sum(parts.values())
    return [
        Line("memory", scaled(total, "B"), note),
        *(Line(f"  {part}", scaled(size, "B"), f"{size / total:.0%}") for part, size in parts.items()),
    ]


def _machine(machine: Machine, memory: int, devices: int, *, flops: float, price: float | None) -> Line:
    seconds = flops / (machine.flops * machine.utilization * devices)
    cost = "" if price is None else f", {price * devices * seconds / 3600:.2f} to pay"
    fits = "" if memory <= machine.memory else ": TOO MUCH"
    return Line(
        f"on {devices} × {machine.name}",
        duration(seconds),
        f"{scaled(memory, 'B')} of {scaled(machine.memory, 'B')}{fits}{cost}; {machine.source} × "
        f"{machine.utilization:g} assumed",
    )


def duration(seconds: float) -> str:
    """Return a duration with two figures and a unit."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s"
