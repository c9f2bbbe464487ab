"""Pretraining, instruction tuning and alignment: one function, given different parts."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger

from lm.bounds import Natural, Positive
from lm.callbacks import (
    FinalValidation,
    Interruption,
    RandomState,
    RankConsistency,
    RunRecord,
    StepCounters,
    check_callbacks,
    order_callbacks,
)
from lm.conversation import check_template_loadable
from lm.data import RowDataModule, TrainingData
from lm.directory import Run
from lm.hardware import Compute
from lm.model import ModelSource, Transformer, model_cost
from lm.objective import Objective
from lm.optimizer import Budget
from lm.process.launcher import wait_for_first
from lm.sweep import Metric
from lm.tokenizer import Tokenizer
from lm.training.completion import complete_run, returned
from lm.training.estimate import estimate_cost
from lm.training.extension import check_extension, describe_extension
from lm.training.fitting import check_data
from lm.training.hooks import direct_hooks
from lm.training.judging import judge
from lm.training.memory_check import check_fits
from lm.training.minutes import fix_length, known_length, length_input
from lm.training.outputs import describe_run, resumable_checkpoint
from lm.training.setup import resolve_setup
from lm.training.summary import describe_start
from lm.training.trainer import make_trainer, silence_lightning


def train(
    run: Run,
    tokenizer: Tokenizer,
    model: Callable[..., Transformer] | ModelSource,
    data: TrainingData,
    objective: Callable[..., Objective],
    optimizer: Callable[..., torch.optim.Optimizer],
    schedule: Callable[..., float],
    budget: Budget,
    compute: Compute,
    trainer: Callable[..., Trainer],
    callbacks: dict[str, Callback] | None = None,
    logger: dict[str, Callable[..., Logger]] | None = None,
    seed: Natural = 0,
    validations: Natural = 5,
    show: Natural = 0,
    dry_run: bool = False,
    prices: dict[str, Positive] | None = None,
) -> Metric | None:
    """Train `model` towards `objective` on `data`, and resume the run of this name where it stopped.

    Lightning runs this loop:

        for step in range(plan.steps):
            batches = objective.prepare_step(batches)   # only where an objective has more to do than read them
            for micro_batch in range(plan.accumulate):
                loss = objective.summed_loss(batch) / batch.denominator   # the denominator of the whole step
                loss.backward()
            clip the gradient; optimizer.step(); scheduler.step()
            at the interval and at the end: validate; callbacks log, sample and save

    Args:
        run: Name and directory of the run; the same name again resumes it.
        tokenizer: Tokenizer of the data; its size is the model's vocabulary.
        model: Where the network comes from: an architecture with fresh weights, or a finished run.
        data: Rows for training and validation.
        objective: Factory of the objective; called with the network, the optimizer, the schedule and the steps.
        optimizer: Factory of the optimizer: a function called with the network, or a class of torch.optim, called with
            its weights.
        schedule: Factor of the learning rate as a function of (step, steps).
        budget: Length of the run and size of its batches, in tokens; one of minutes is timed first.
        compute: Precision, threads, compilation and activation checkpointing.
        trainer: Where and how the run is executed: devices, nodes, strategy.
        callbacks: What happens beside training, by name: saving, logging, sampling, guarding. null for none.
        logger: Factories of loggers by name; called with `save_dir`, where they take it. null for none.
        seed: Seed of weights, data order and dropout.
        validations: Validations of the run, evenly spaced; the last step is always validated. 0 for none.
        show: Print this many rows of each source, with the supervised tokens marked, and train nothing.
        dry_run: Print what the run would take in time, memory and money, and write nothing.
        prices: Price of a device hour for `dry_run`, by datasheet (A100, H100, H200) or `here` for this machine.

    Returns:
        The objective's `metric` of the last validation with its mode, by which sweeps rank runs and searches choose:
        the lowest bits per byte, the highest accuracy or reward. None where nothing was validated.
    """
    silence_lightning()
    callbacks, logger = callbacks or {}, logger or {}
    setup = resolve_setup(
        model, tokenizer, objective, optimizer=optimizer, schedule=schedule, compute=compute, trainer=trainer
    )
    extend = partial(check_extension, run, schedule=schedule)
    length = known_length(run, budget)
    if dry_run:
        estimate = partial(estimate_cost, run, setup, data, length, callbacks=callbacks, validations=validations)
        run.console.block(estimate(seed=seed, prices=prices or {}, extend=extend))
        return None

    check_fits(setup, budget, row_tokens=data.row_tokens)
    torch.manual_seed(seed)
    network = setup.build()
    rows = data.open(tokenizer=tokenizer, context=network.context)
    check_template_loadable(rows.template)
    run.console.lines(rows.notes)
    if show:
        rows.show(show)
        return None

    started_at, cost = perf_counter(), model_cost(network)
    validations = validations if rows.validation else 0
    row_tokens = data.row_tokens(network.context)
    length = fix_length(run, length.in_tokens(row_tokens), setup, rows, row_tokens=row_tokens, validations=validations)
    plan = length.plan(row_tokens=row_tokens, devices=setup.devices.count, rows=len(rows), parameters=cost.parameters)
    data_plan = rows.plan(plan, seed=seed)
    module = setup.objective(model=network, steps=plan.steps, kinds=rows.kinds)
    check_data(rows, module)
    module.begin(rows, seed=seed)
    check_callbacks(callbacks, module.metric_names if validations else [])
    inputs = {"data": data.fingerprint(), "tokenizer": tokenizer.fingerprint, **setup.source.fingerprint()}
    inputs |= length_input(run, budget, length)
    extension = extend(data_plan, parameters=cost.parameters)
    if run.finished(inputs, parent=setup.source.parent(), extension=extension):
        run.console.line(f"nothing to do: {run.directory} is complete")
        return returned(module, run.result)

    outputs = describe_run(run, setup.source, tokenizer, rows.template)
    precision = setup.prepare(network, parameters=cost.parameters)
    judge(run, setup, cost, precision=precision, callbacks=callbacks.values())
    interruption = Interruption()
    exact = [RankConsistency(inputs), RunRecord(run.identity), RandomState(seed), StepCounters(), FinalValidation()]
    lightning = make_trainer(
        trainer,
        run=run,
        plan=plan,
        devices=setup.devices,
        precision=precision,
        validations=validations,
        callbacks=[*exact, *order_callbacks(callbacks.values()), interruption],
        loggers=logger.values(),
    )
    wait_for_first(lightning, module)
    resumed, _ = resumable_checkpoint(run, steps=plan.steps, schedule=schedule, identity=run.identity)
    run.console.lines(describe_start(setup, network, data_plan, cost=cost, trainer=lightning, resumed=resumed))
    run.console.lines(describe_extension(extension, schedule))
    with interruption.caught(), direct_hooks(lightning):
        prepare = module.prepare_step if module.prepares_steps else None
        loaders = RowDataModule(data_plan, workers=data.workers, prepare=prepare)
        lightning.fit(module, datamodule=loaders, ckpt_path=resumed, weights_only=True)
    complete_run(run, lightning, data_plan, cost, outputs=outputs, interruption=interruption, started_at=started_at)
    return returned(module, module.validation)
