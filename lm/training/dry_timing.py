"""Time a few steps of the very model for a dry run, on random rows of the right shape, where that takes seconds."""

from lightning.pytorch.utilities.seed import isolate_rng

from lm.data import Rows
from lm.directory import Run
from lm.hardware.datasheets import Machine
from lm.model import Cost
from lm.optimizer import Plan
from lm.training.footprint import Footprint
from lm.training.memory_check import free_memory
from lm.training.pace import SHARE, Pace, measure_pace, prepare_timing
from lm.training.setup import Setup

TIMED = 2.5  # seconds of steps; their median is stable within a few
LONGEST = 3.0  # seconds of a micro-batch that is still timed
FREE = 0.8  # share of the free memory that the timed step may take


def time_steps(
    run: Run, setup: Setup, rows: Rows, plan: Plan, *, cost: Cost, machine: Machine, footprint: Footprint
) -> Pace | str:
    """Return the pace of the run on this machine, or why no step is timed. Random state stays as it is.

    The network has fresh weights and the rows random tokens, which take as long as others: no file is read.

    Args:
        run: The run, of which nothing is written.
        setup: The parts of the run.
        rows: Rows of the run, or estimates of them.
        plan: Micro-batches of a step.
        cost: FLOPs of the network.
        machine: This machine, whose assumed speed says whether a step takes seconds.
        footprint: Memory of a step.
    """
    devices, compute = setup.devices, setup.compute
    speed = machine.flops * machine.utilization
    micro_batch = cost.flops_per_token * plan.rows_per_device * plan.row_tokens / speed
    free = free_memory(devices.accelerator)
    if devices.sharded or devices.tensor > 1:
        return "devices that share weights are not timed here"
    if not all(source.is_readable for source in rows.sources.values()):
        return "rows of this kind are not timed here"
    if compute.compile:
        return "compute.compile is not timed here"
    if micro_batch > LONGEST or (free is not None and footprint.total > FREE * free):
        return "a step is too large to time it here"
    with isolate_rng():
        network = setup.source.outline(vocab_size=setup.tokenizer.vocab_size).train()
        module, trainer = prepare_timing(setup, network, rows, plan, run=run, parameters=cost.parameters)
        if module.prepares_steps:
            return "steps that are prepared, as by rollouts, are not timed here"
        return measure_pace(
            module,
            rows,
            plan,
            trainer,
            compiles=False,
            seconds=TIMED / SHARE,
            micro_batches=max(1, int(LONGEST / micro_batch)),
        )
