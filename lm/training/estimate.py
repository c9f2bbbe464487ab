"""Estimate a run before it starts: what it reads, computes, holds in memory and costs, here and on known GPUs."""

from collections.abc import Callable, Mapping
from typing import Any

from lightning import Callback

from lm.callbacks import check_callbacks
from lm.conversation import check_template_loadable
from lm.data import DataPlan, TrainingData
from lm.directory import Run
from lm.hardware.datasheets import DATASHEETS, Machine, measure_machine
from lm.model import Cost, ModelSource, model_cost
from lm.optimizer import Budget, Plan
from lm.process.limits import resident_memory
from lm.report import Line, aligned, scaled
from lm.training.dry_timing import time_steps
from lm.training.fitting import check_data
from lm.training.footprint import Footprint
from lm.training.minutes import check_timeable
from lm.training.pace import Pace
from lm.training.setup import Setup
from lm.training.summary import starting_point
from lm.training.trainer import Devices


def estimate_cost(
    run: Run,
    setup: Setup,
    data: TrainingData,
    budget: Budget,
    *,
    callbacks: Mapping[str, Callback],
    validations: int,
    seed: int,
    prices: Mapping[str, float],
    extend: Callable[..., dict[str, Any] | None] = lambda data_plan, *, parameters: None,
) -> str:
    """Return a table of everything a run would take, after the notes on its data. No weights and no tokens are read.

    Where a step takes seconds, a few are timed here, on random rows; else the speed is assumed.

    Args:
        run: The run, of which nothing is written.
        setup: The parts of the run; only the outline of the network is built.
        data: Counts its rows instead of reading them.
        budget: Length of the run.
        callbacks: Callbacks of the run, of which the run may refuse one.
        validations: Validations of the run.
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
    check_timeable(budget, devices)
    model = setup.outline()
    cost = model_cost(model)
    rows = data.sketch(tokenizer=setup.tokenizer, context=model.context)
    row_tokens = data.row_tokens(model.context)
    budget = budget.in_tokens(row_tokens)
    check_template_loadable(rows.template)
    check_data(rows, setup.objective(model=model, steps=1, kinds=rows.kinds))
    validations = validations if rows.validation else 0
    here = setup.precision(cost.parameters)
    this_machine = measure_machine(devices.accelerator, here)

    def planned(length: Budget) -> DataPlan:
        sizes = {"row_tokens": row_tokens, "devices": devices.count, "rows": len(rows), "parameters": cost.parameters}
        return rows.plan(length.plan(**sizes), seed=seed)

    first = planned(_one_batch(budget) if budget.seconds else budget)
    footprint = _footprint(setup, first, here)
    pace = time_steps(run, setup, rows, first.plan, cost=cost, machine=this_machine, footprint=footprint)
    data_plan = planned(_in_tokens(budget, pace, this_machine, cost, devices, validations=validations))
    plan, extension = data_plan.plan, extend(data_plan, parameters=cost.parameters)
    module = setup.objective(model=model, steps=plan.steps, kinds=rows.kinds)
    check_callbacks(callbacks, module.metric_names if validations else [])
    there = "bf16-mixed" if setup.compute.precision == "auto" else here
    elsewhere = footprint if there == here else _footprint(setup, data_plan, there)
    beside = footprint.holes + libraries if devices.accelerator == "cpu" else 0
    flops = cost.flops_per_token * plan.tokens
    table = aligned(
        [
            *_size(cost, plan, devices, batch_tokens=budget.batch_tokens),
            *_start(source, budget, plan, extension, pace, context=model.context),
            *_reading(data_plan),
            _flops(cost, plan),
            *_memory(here, footprint, devices, libraries=libraries),
            Line(),
            _here(
                this_machine,
                footprint.total + beside,
                devices.ranks,
                pace=pace,
                plan=plan,
                validations=validations,
                flops=flops,
                price=prices.get("here"),
            ),
            *(
                _elsewhere(
                    sheet.machine(name, there), elsewhere.total, devices.ranks, flops=flops, price=prices.get(name)
                )
                for name, sheet in DATASHEETS.items()
            ),
        ]
    )
    return "\n".join([*rows.notes, table])


def _one_batch(budget: Budget) -> Budget:
    return budget.of_tokens(budget.batch_tokens)


def _in_tokens(
    budget: Budget, pace: Pace | str, machine: Machine, cost: Cost, devices: Devices, *, validations: int
) -> Budget:
    """The budget, or, of one of minutes, the whole batches that fit by the measured or the assumed speed."""
    if budget.seconds is None:
        return budget
    if isinstance(pace, str):
        steps = int(
            budget.seconds / _assumed_seconds(machine, cost.flops_per_token * budget.batch_tokens, devices.ranks)
        )
    else:
        steps = pace.steps_within(budget.seconds, validations=validations)
    return budget.of_tokens(max(1, steps) * budget.batch_tokens)


def _assumed_seconds(machine: Machine, flops: float, devices: int) -> float:
    return flops / (machine.flops * machine.utilization * devices)


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
    source: ModelSource, budget: Budget, plan: Plan, extension: dict[str, Any] | None, pace: Pace | str, *, context: int
) -> list[Line]:
    """What the length is taken from, and the weights and the step that training starts from."""
    lines = []
    if budget.seconds is not None:
        known = "assumed" if isinstance(pace, str) else "timed"
        note = f"by the speed {known} below; the run itself times its steps first"
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


def _here(
    machine: Machine,
    memory: int,
    devices: int,
    *,
    pace: Pace | str,
    plan: Plan,
    validations: int,
    flops: float,
    price: float | None,
) -> Line:
    """This machine, by the steps timed here, or by an assumption and why."""
    if isinstance(pace, str):
        assumed = f"{machine.source} × {machine.utilization:g} assumed: {pace}"
        return _machine(machine, memory, devices, _assumed_seconds(machine, flops, devices), assumed, price)
    validated = f", {validations} validations of {duration(pace.validation)}" if validations else ""
    exchanged = ", without what devices exchange" if devices > 1 else ""
    measured = f"{plan.steps} steps of {duration(pace.step)}{validated}, timed here{exchanged}"
    seconds = pace.seconds(steps=plan.steps, validations=min(validations, plan.steps))
    return _machine(machine, memory, devices, seconds, measured, price)


def _elsewhere(machine: Machine, memory: int, devices: int, *, flops: float, price: float | None) -> Line:
    """A device by its datasheet."""
    how = f"{machine.source} × {machine.utilization:g} assumed"
    return _machine(machine, memory, devices, _assumed_seconds(machine, flops, devices), how, price)


def _machine(machine: Machine, memory: int, devices: int, seconds: float, how: str, price: float | None) -> Line:
    cost = "" if price is None else f", {price * devices * seconds / 3600:.2f} to pay"
    fits = "" if memory <= machine.memory else ": TOO MUCH"
    note = f"{scaled(memory, 'B')} of {scaled(machine.memory, 'B')}{fits}{cost}; {how}"
    return Line(f"on {devices} × {machine.name}", duration(seconds), note)


def duration(seconds: float) -> str:
    """Return a duration with two figures and a unit."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s"
