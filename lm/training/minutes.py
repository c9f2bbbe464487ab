"""Fix the length of a run that is given in minutes: the tokens that this machine trains on in that time."""

from collections.abc import Mapping

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from lm.data import Rows
from lm.directory import Run
from lm.model import model_cost
from lm.optimizer import Budget
from lm.process.launcher import choose_on_first, launches_ranks
from lm.report import scaled
from lm.training.pace import Pace, measure_pace, prepare_timing
from lm.training.setup import Setup
from lm.training.trainer import Devices

LABEL = "tokens of budget.minutes"  # among the inputs of the run: they are read from the clock


def fixed_tokens(inputs: Mapping[str, str]) -> int | None:
    """Return the tokens that were fixed for a run, by its recorded inputs; None for a run of another length."""
    return int(inputs[LABEL]) if LABEL in inputs else None


def known_length(run: Run, budget: Budget) -> Budget:
    """Return the budget in tokens of a run of minutes that an earlier start has timed; else `budget`."""
    tokens = fixed_tokens(run.recorded_inputs)
    return budget.of_tokens(tokens) if tokens and budget.seconds is not None else budget


def length_input(run: Run, given: Budget, fixed: Budget) -> dict[str, str]:
    """Return what the inputs of a run say on tokens fixed now, or by an earlier start.

    Args:
        run: The run.
        given: Budget of the config.
        fixed: The same, in tokens if it was given in minutes.
    """
    now = fixed.amount if given.seconds is not None else fixed_tokens(run.recorded_inputs)
    return {LABEL: str(now)} if now else {}


def fix_length(run: Run, budget: Budget, setup: Setup, rows: Rows, *, row_tokens: int, validations: int) -> Budget:
    """Return `budget` in tokens. One of minutes is timed on the first rank: its tokens are those that fit.

    Random state stays as it is, so the run is that of a budget in tokens. What ranks exchange is not timed.

    Args:
        run: The run; its time so far counts.
        budget: Length of the run.
        setup: The parts of the run; a network of its own is built and thrown away.
        rows: Rows of the run.
        row_tokens: Tokens of each, padding included.
        validations: Validations of the run; 0 for none.

    Raises:
        ValueError: The devices share weights, so that one alone cannot be timed, or the stages before this one have
            left no time.
    """
    if budget.seconds is None:
        return budget
    if not budget.seconds:
        raise ValueError(
            f"minutes={budget.amount:g}: the stages before took all of them: repeat the command, which skips what is "
            "complete, or set minutes to more"
        )
    devices, started = setup.devices, run.seconds
    check_timeable(budget, devices)
    with isolate_rng():
        network = setup.build()
        parameters = model_cost(network).parameters
        step = budget.of_tokens(budget.batch_tokens).plan(
            row_tokens=row_tokens, devices=devices.count, rows=len(rows), parameters=parameters
        )
        module, made = prepare_timing(setup, network, rows, step, run=run, parameters=parameters)
        module.begin(rows, seed=0)

        def choose() -> int:
            pace = measure_pace(module, rows, step, made, compiles=setup.compute.compile, seconds=budget.seconds)
            repeated = started if launches_ranks(made) else 0.0  # by the ranks that start later
            steps = pace.steps_within(budget.seconds - run.seconds - repeated, validations=validations)
            tokens = steps * budget.batch_tokens
            run.console.line(describe_length(budget, pace, steps=steps, tokens=tokens))
            return tokens

        tokens = choose_on_first(made, module, choose)
    if setup.compute.compile:
        torch.compiler.reset()  # what it compiled would count towards the limit of the run's own network
    return budget.of_tokens(tokens)


def check_timeable(budget: Budget, devices: Devices) -> None:
    """Refuse a budget of minutes on devices that share weights, so that one alone cannot be timed."""
    if budget.seconds is not None and devices.ranks > 1 and (devices.sharded or devices.tensor > 1):
        raise ValueError(
            f"budget.minutes={budget.amount}: a step of devices that share weights cannot be timed on one of them: set "
            "budget=tokens, and budget.tokens by the tokens per second of a short run"
        )


def describe_length(budget: Budget, pace: Pace, *, steps: int, tokens: int) -> str:
    """Return a line on what was measured and chosen, and how another machine repeats it."""
    validation = f", {pace.validation:.2g} s per validation" if pace.validation else ""
    return (
        f"budget.minutes={budget.seconds / 60:.3g}: {pace.step:.2g} s per step{validation}: {scaled(tokens)} tokens in "
        f"{steps} steps; elsewhere the same run is budget=tokens budget.tokens={tokens}"
    )
