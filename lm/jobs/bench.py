"""Measure this machine and training on it: speed, where a step goes, the share of the peak, memory."""

import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning import Trainer

from lm.bounds import Count, Positive
from lm.callbacks import Metrics, MetricsFile, NonFiniteGuard, Progress, RandomState
from lm.data import RowDataModule, Rows
from lm.data.row_source import RowEstimate
from lm.directory import Run
from lm.hardware import Compute
from lm.hardware.datasheets import measure_machine
from lm.hardware.processor import instruction_sets
from lm.model import ModelSource, Transformer, model_cost, model_source
from lm.objective import Objective
from lm.optimizer import Budget, Plan
from lm.process.limits import cores
from lm.process.machine import peak_memory, processor_name
from lm.progress import Console
from lm.report import scaled
from lm.training.hooks import direct_hooks
from lm.training.setup import Setup
from lm.training.step_times import StepTimes
from lm.training.trainer import make_trainer, resolve_devices, silence_lightning

ROWS, STEPS = 100_000, 1_000_000  # of the synthetic corpus; of a run that ends by the clock
PEAK = 1.0  # seconds in which matrix products are timed, before training and after it


@dataclass(frozen=True)
class Vocabulary:
    """What a corpus of random tokens has of a tokenizer."""

    vocab_size: int


def bench(
    model: Callable[..., Transformer] | ModelSource,
    objective: Callable[..., Objective],
    optimizer: Callable[..., torch.optim.Optimizer],
    schedule: Callable[..., float],
    budget: Budget,
    compute: Compute,
    trainer: Callable[..., Trainer],
    vocab_size: Count = 4096,
    seconds: Positive = 10.0,
) -> dict[str, Any]:
    """Train on random tokens for a few seconds, as `lm pretrain` does; print a table, and the same as a line of JSON.

    The peak is the fastest matrix product in the precision of the run, at its threads, before training and after it.

    Args:
        model: What is trained; its weights are fresh, or those of a run.
        objective: Factory of the objective.
        optimizer: Factory of the optimizer.
        schedule: Factor of the learning rate.
        budget: Size of a batch and of its micro-batches; the length is not read.
        compute: Precision, threads, compilation and activation checkpointing.
        trainer: Where it is run, on one device.
        vocab_size: Entries of the vocabulary. 4096 is that of the default pipeline.
        seconds: Time that steps are trained for, after three that do not count; a slow step takes longer.

    Returns:
        What was measured, as in the line of JSON.

    Raises:
        ValueError: The trainer has several devices, or the objective needs data of its own.
    """
    silence_lightning()
    console = Console("bench")
    devices = resolve_devices(trainer, compute)
    if devices.ranks > 1:
        raise ValueError(f"trainer.devices={devices.ranks}: lm bench measures one device; set trainer.devices=1")
    source, vocabulary = model_source(model), Vocabulary(vocab_size)
    made = partial(objective, optimizer=optimizer, schedule=schedule)
    setup = Setup(source, vocabulary, made, compute, trainer, devices)
    torch.manual_seed(0)
    network = setup.build()
    cost, context = model_cost(network), network.context
    plan = budget.plan(row_tokens=context, devices=1, rows=ROWS, parameters=cost.parameters)
    precision = setup.prepare(network, parameters=cost.parameters)
    load = os.getloadavg()[0]
    console.line(
        f"{processor_name()}, {cores()} cores, {instruction_sets()}, load {load:.1f}, {precision}, "
        f"1 × {devices.accelerator}, {devices.threads} threads"
    )
    console.line(f"timing matrix products, and steps for {seconds:g} s")
    peaks = [measure_machine(devices.accelerator, precision, seconds=PEAK)]
    times = _train(setup, network, replace(plan, steps=STEPS), vocabulary, precision=precision, seconds=seconds)
    memory = torch.cuda.max_memory_allocated() if devices.accelerator == "cuda" else peak_memory()
    peaks.append(measure_machine(devices.accelerator, precision, seconds=PEAK))
    tokens = plan.rows_per_step * plan.row_tokens
    peak, split = max(each.flops for each in peaks), times.split()
    flops = cost.flops_per_token * tokens / times.step
    found = {
        "tokens_per_second": tokens / times.step,
        "step_seconds": times.step,
        "split_seconds": split,
        "flops_per_second": flops,
        "peak_flops_per_second": peak,
        "share_of_peak": flops / peak,
        "peak_memory_bytes": memory,
        "parameters": cost.parameters,
        "context": context,
        "batch_tokens": tokens,
        "micro_batch_rows": plan.rows_per_device,
        "vocab_size": vocab_size,
        "steps": len(times.steps),
        "precision": precision,
        "accelerator": devices.accelerator,
        "threads": devices.threads,
        "processor": processor_name(),
        "instruction_sets": instruction_sets(),
        "cores": cores(),
        "load": load,
        "torch": torch.__version__,
    }
    console.lines(_table(found))
    print(json.dumps(found, ensure_ascii=False), flush=True)
    return found


def _train(
    setup: Setup, network: Transformer, plan: Plan, vocabulary: Vocabulary, *, precision: str, seconds: float
) -> StepTimes:
    """Train on random tokens with the callbacks of a run, and time it."""
    context = network.context
    source = RowEstimate(rows=ROWS, targets=ROWS * context, context=context, vocab_size=vocabulary.vocab_size)
    rows = Rows(sources={"random": source}, tokenizer=vocabulary)
    data_plan = rows.plan(plan, seed=0)
    module = setup.objective(model=network, steps=plan.steps, kinds=rows.kinds)
    module.begin(rows, seed=0)
    times = StepTimes(seconds=seconds)
    shown = [Metrics(every=10), Progress(every=10, label="bench"), NonFiniteGuard()]
    with TemporaryDirectory() as root:
        made = make_trainer(
            setup.trainer,
            run=Run("bench", root=root),
            plan=plan,
            devices=setup.devices,
            precision=precision,
            validations=0,
            callbacks=[times, RandomState(0), *shown, times.last],
            loggers=[MetricsFile],
        )
        # The bar is drawn as in a run, but it would count to a million.
        with direct_hooks(made), redirect_stderr(StringIO()):
            made.fit(module, datamodule=RowDataModule(data_plan))
    return times


def _table(found: dict[str, Any]) -> list[str]:
    """What is printed of the measurement."""
    split = found["split_seconds"]
    whole = sum(split.values())
    return [
        f"{scaled(found['parameters'])} parameters, context {found['context']}, vocabulary {found['vocab_size']}, "
        f"{found['batch_tokens']} tokens a step, in micro-batches of {found['micro_batch_rows']} rows",
        f"{found['tokens_per_second']:.0f} tokens/s, {1000 * found['step_seconds']:.1f} ms a step, the median of "
        f"{found['steps']}",
        *(f"  {name:<10}{1000 * each:9.2f} ms {each / whole:6.1%}" for name, each in split.items()),
        f"{scaled(found['flops_per_second'], 'FLOP/s')}, {found['share_of_peak']:.0%} of the "
        f"{scaled(found['peak_flops_per_second'], 'FLOP/s')} of this machine's matrix products",
        f"{scaled(found['peak_memory_bytes'], 'B')} of memory at most",
    ]
