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
    saves_last,
    steps_without_effect,
)
from lm.checkpoint.architecture import check_loadable
from lm.checkpoint.files import save
from lm.checkpoint.lineage import check_tokenizer
from lm.conversation import check_template_loadable
from lm.data import RowDataModule, TrainingData
from lm.hardware import Compute
from lm.model import ModelSource, Transformer, model_cost, model_source
from lm.objective import Objective
from lm.optimizer import Budget, check_optimizer
from lm.parallel.sharding import check_tensor_parallel
from lm.parallel.strategy import TENSOR
from lm.process.launcher import wait_for_first
from lm.run import Interrupted, Run
from lm.tokenizer import Tokenizer
from lm.training.estimate import estimate_cost
from lm.training.extension import check_extension, describe_extension
from lm.training.memory_check import check_fits
from lm.training.minutes import fix_length, known_length, length_input
from lm.training.outputs import describe_run, record_result, resumable_checkpoint
from lm.training.summary import plan_line, starting_point, untrained_turn_tokens
from lm.training.trainer import make_trainer, prepare_network, resolve_devices, silence_lightning

METRIC = "validation/bits_per_byte"  # what `train` returns, and sweeps minimise


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
) -> float | None:
    """Train `model` towards `objective` on `data`, and resume the run of this name where it stopped.

    Lightning runs this loop:

        for step in range(plan.steps):
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
        logger: Factories of loggers by name; called with `save_dir`. null for none.
        seed: Seed of weights, data order and dropout.
        validations: Validations of the run, evenly spaced; the last step is always validated. 0 for none.
        show: Print this many rows of each source, with the supervised tokens marked, and train nothing.
        dry_run: Print what the run would take in time, memory and money, and write nothing.
        prices: Price of a device hour for `dry_run`, by datasheet (A100, H100, H200) or `here` for this machine.

    Returns:
        Validation bits per byte, which sweeps minimise; None where nothing was validated.
    """
    silence_lightning()
    callbacks, logger = callbacks or {}, logger or {}
    source, devices = model_source(model), resolve_devices(trainer, compute)
    check_tokenizer(source.origin, tokenizer)
    check_optimizer(optimizer)
    check_loadable(source.describe(vocab_size=tokenizer.vocab_size))
    sketched = partial(objective, optimizer=optimizer, schedule=schedule, steps=1)  # for what is only estimated
    length = known_length(run, budget)
    if dry_run:
        table = estimate_cost(
            source,
            sketched,
            data,
            tokenizer=tokenizer,
            budget=length,
            compute=compute,
            devices=devices,
            seed=seed,
            prices=prices or {},
            extend=partial(check_extension, run, schedule=schedule),
        )
        run.console.block(table)
        return None

    check_fits(source, sketched, budget, vocab_size=tokenizer.vocab_size, compute=compute, devices=devices)
    torch.manual_seed(seed)
    network = source.build(vocab_size=tokenizer.vocab_size).train()
    check_tensor_parallel(network, devices.tensor, key=TENSOR)
    rows = data.open(tokenizer=tokenizer, context=network.context)
    check_template_loadable(rows.template)
    run.console.lines(rows.notes)
    if show:
        rows.show(show)
        return None

    started_at, cost = perf_counter(), model_cost(network)
    validations = validations if rows.validation else 0
    module_of = partial(objective, optimizer=optimizer, schedule=schedule)
    length = fix_length(
        run, length, source, rows, module_of, trainer, compute=compute, devices=devices, validations=validations
    )
    plan = length.plan(context=network.context, devices=devices.count, rows=len(rows), parameters=cost.parameters)
    data_plan = rows.plan(plan, seed=seed)
    module = module_of(model=network, steps=plan.steps, kinds=rows.kinds)
    check_callbacks(callbacks, module.metric_names if validations else [])
    inputs = {"data": data.fingerprint(), "tokenizer": tokenizer.fingerprint, **source.fingerprint()}
    inputs |= length_input(run, budget, length)
    parent = source.parent()
    extension = check_extension(run, data_plan, schedule=schedule, parameters=cost.parameters)
    if run.finished(inputs, parent=parent, extension=extension):
        run.console.line(f"nothing to do: {run.directory} is complete")
        return run.result.get(METRIC)

    outputs = describe_run(run, source, tokenizer, rows.template)
    interruption = Interruption()
    exact = [RankConsistency(inputs), RunRecord(run.identity), RandomState(seed), StepCounters(), FinalValidation()]
    lightning = make_trainer(
        trainer,
        run=run,
        plan=plan,
        devices=devices,
        precision=prepare_network(network, compute, devices, parameters=cost.parameters),
        validations=validations,
        callbacks=[*exact, *order_callbacks(callbacks.values()), interruption],
        loggers=logger.values(),
    )
    wait_for_first(lightning, module)
    resumed, _ = resumable_checkpoint(run, steps=plan.steps, schedule=schedule, identity=run.identity)
    run.console.line(plan_line(cost, data_plan, trainer=lightning, devices=devices, resumed=resumed))
    run.console.lines(describe_extension(extension, schedule))
    run.console.lines(starting_point(parent, network.context))
    run.console.lines(data_plan.describe_stages())
    run.console.lines(untrained_turn_tokens(network, rows.template, tokenizer, started_from=source.origin))
    with interruption.caught():
        loaders = RowDataModule(data_plan, workers=data.workers)
        lightning.fit(module, datamodule=loaders, ckpt_path=resumed, weights_only=True)
    if not saves_last(callbacks.values()):
        save(lightning, "last")  # no callback has
    if lightning.is_global_zero:
        skipped = steps_without_effect(callbacks.values())
        seconds = perf_counter() - started_at
        record_result(run, module, data_plan, cost, skipped=skipped, outputs=outputs, seconds=seconds)
        if interruption.received:  # after the last step: this run is complete, but nothing is to follow it
            raise Interrupted(interruption.received, f"{run.directory} is complete")
    return module.validation.get(METRIC)
