"""The time of a step and of a validation, measured on the very model, and the steps that fit into a time.

A budget of minutes and a dry run time their steps here.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from statistics import median
from time import perf_counter

import torch
from lightning import Trainer

from lm.data import Rows
from lm.data.batches import TrainingBatches, ValidationBatches
from lm.data.order import Order
from lm.directory import Run
from lm.model import Transformer
from lm.objective import Objective
from lm.optimizer import Plan
from lm.training.setup import Setup
from lm.training.trainer import make_trainer

WARM_UP, STEPS, SECONDS = 2, 5, 5.0  # steps before any is timed; fewest steps and seconds that are timed
SHARE = 0.1  # of the time of the run that timing may take


@dataclass(frozen=True)
class Pace:
    """Seconds that a run takes.

    Attributes:
        step: Of an optimizer step, data included.
        validation: Of a validation of all held-out rows; 0 without one.
        start: Before the first step, what the run repeats after it was timed: compilation.
    """

    step: float
    validation: float = 0.0
    start: float = 0.0

    def steps_within(self, seconds: float, *, validations: int) -> int:
        """Return the steps that fit, at least 1; a run with fewer steps than validations validates after each."""
        left = seconds - self.start
        steps = int((left - validations * self.validation) / self.step)
        if steps < validations:
            steps = int(left / (self.step + self.validation))
        return max(1, steps)

    def seconds(self, *, steps: int, validations: int) -> float:
        """Return the time of so many steps and validations."""
        return self.start + steps * self.step + validations * self.validation


def prepare_timing(
    setup: Setup, network: Transformer, rows: Rows, plan: Plan, *, run: Run, parameters: int
) -> tuple[Objective, Trainer]:
    """Return what `measure_pace` times: the objective of a throwaway network, and a trainer that never runs.

    Args:
        setup: The parts of the run.
        network: Is changed as the run's would be: recomputing, compiled.
        rows: Rows of the run.
        plan: Micro-batches of a step.
        run: The run, whose supervisor watches the ranks.
        parameters: Parameters of the model.
    """
    made = make_trainer(
        deepcopy(setup.trainer),  # a strategy belongs to one trainer
        run=run,
        plan=plan,
        devices=setup.devices,
        precision=setup.prepare(network, parameters=parameters),
        validations=0,
        callbacks=[],
        loggers=[],
    )
    return setup.objective(model=network, steps=1, kinds=rows.kinds), made


def measure_pace(
    module: Objective,
    rows: Rows,
    plan: Plan,
    trainer: Trainer,
    *,
    compiles: bool,
    seconds: float,
    micro_batches: int | None = None,
    clock: Callable[[], float] = perf_counter,
) -> Pace:
    """Train `module` for a few steps, which changes it, and validate a batch, under the clock.

    Args:
        module: Objective of a throwaway network, compiled and recomputing as that of the run.
        rows: Rows of the run; the first ones of a shuffled order are read.
        plan: Micro-batches of a step; the number of steps is not read.
        trainer: Its precision and device are used.
        compiles: Whether the network compiles in its first step, as the run will do again.
        seconds: Time of the run; timing takes a tenth of it at most, but for one step of each kind.
        micro_batches: Micro-batches of a step that are timed; the others take as long. None times all.
        clock: Seconds that pass.
    """
    device = trainer.strategy.root_device
    module = trainer.precision_plugin.convert_module(module).to(device)
    optimizer = module.build_optimizer(trainer.precision)
    order = Order(0, [len(source) for source in rows.sources.values()])
    batches = TrainingBatches([*rows.sources.values()], order, plan, rank=0)

    timed_here = min(plan.accumulate, micro_batches or plan.accumulate)

    def add_gradients(index: int) -> None:
        read = (batches[index * plan.accumulate + micro].to(device) for micro in range(timed_here))
        if module.prepares_steps:
            with torch.no_grad(), trainer.precision_plugin.forward_context():
                read = module.prepare_step([*read])
        for batch in read:
            with trainer.precision_plugin.forward_context():
                loss, balance = module.step_part(batch)
            (loss if balance is None else loss + balance).backward()

    def update(index: int) -> None:
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        optimizer.zero_grad()

    def timed(function: Callable[[int], None], index: int) -> float:
        before = clock()
        function(index)
        if device.type != "cpu":
            torch.accelerator.synchronize()
        return clock() - before

    warm, measured, spent = [], [], 0.0
    for index in count():
        gradients, rest = timed(add_gradients, index), timed(update, index)
        took = gradients * plan.accumulate / timed_here + rest
        spent += gradients + rest
        hurry = spent > SHARE * seconds
        if len(warm) < WARM_UP and not (warm and hurry):
            warm.append(took)
            continue
        measured.append(took)
        if hurry or (len(measured) >= STEPS and sum(measured) >= SECONDS):
            break
    typical = median(measured)
    return Pace(
        step=typical,
        validation=_validation(module, rows, plan, trainer, timed),
        start=max(0.0, warm[0] - typical) if compiles else 0.0,
    )


def _validation(
    module: Objective, rows: Rows, plan: Plan, trainer: Trainer, timed: Callable[[Callable[[int], None], int], float]
) -> float:
    if not rows.validation:
        return 0.0
    device = trainer.strategy.root_device
    batches = ValidationBatches(rows.validation, rows=plan.rows_per_device, rank=0, ranks=plan.devices)
    sums = torch.zeros(module.validation_sums, max(1, len(module.kinds)), dtype=torch.float64)

    def validate(index: int) -> None:
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            module.add_validation(batches[index].to(device), sums)

    module.eval()
    first = timed(validate, 0)
    return len(batches) * (timed(validate, 1) if len(batches) > 1 else first)
