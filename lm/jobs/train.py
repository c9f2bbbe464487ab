"""Pretraining, instruction tuning and alignment: one function, given different parts."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from lm.bounds import Natural, Positive
from lm.callbacks import (
    Checkpoints,
    FinalValidation,
    Interruption,
    LossSpikeGuard,
    NonFiniteGuard,
    RandomState,
    RankConsistency,
    StepCounters,
)
from lm.checkpoint.checkpoint import (
    ARCHITECTURE,
    AtomicCheckpointIO,
    architecture,
    checkpoint_path,
    save,
    sketch_model,
    weights_fingerprint,
    write_architecture,
)
from lm.conversation import Template, record_template, was_taught
from lm.data.module import RowDataModule
from lm.hardware import Compute
from lm.hardware.compute import accelerator_name, count_devices
from lm.model import Cost, Transformer, model_cost
from lm.model.recompute import recompute_activations
from lm.optimizer import Budget, Plan
from lm.parallel import Sharded
from lm.parallel.sharding import check_tensor_parallel
from lm.parallel.strategy import TENSOR, refuse_misfits, strategy_name, tensor_parallel_size
from lm.process.ranks import is_first_process
from lm.process.slurm import check_ranks, export_slurm_tasks_per_node, wait_for_first
from lm.process.supervisor import install_rank_supervisor
from lm.report import scaled
from lm.run import Interrupted, Run
from lm.tokenizer import Tokenizer
from lm.training.estimate import Devices, price
from lm.training.settings import refuse_foreign, settings_of, silence_lightning


def train(
    run: Run,
    tokenizer: Tokenizer,
    model: Callable[..., Transformer],
    data: RowDataModule,
    objective: Callable[..., LightningModule],
    optimizer: Callable[..., torch.optim.Optimizer],
    schedule: Callable[..., float],
    budget: Budget,
    compute: Compute,
    trainer: Callable[..., Trainer],
    callbacks: dict[str, Callback],
    logger: dict[str, Callable[..., Logger]],
    seed: Natural = 0,
    validations: Natural = 5,
    show: Natural = 0,
    dry_run: bool = False,
    prices: dict[str, Positive] | None = None,
) -> float | None:
    """Train `model` towards `objective` on `data`, going on from where the run of this name left off.

    `validations` are spread evenly over the run; `show` prints that many rows and trains nothing, and so
    does `dry_run`, which prints what the run would take, and cost at `prices` of an hour of a device. Returns
    validation bits per byte, which sweeps minimise.
    """
    silence_lightning()
    settings = trainer.keywords
    refuse_foreign(settings)
    accelerator = accelerator_name(settings["accelerator"])
    ranks_here = count_devices(settings["accelerator"], settings["devices"])
    threads = compute.resolve_threads(ranks_here if accelerator == "cpu" else 1)
    ranks = ranks_here * settings.get("num_nodes", 1)
    strategy = settings.get("strategy", "auto")
    refuse_misfits(strategy, ranks=ranks, compute=compute)
    tensor = tensor_parallel_size(strategy)
    devices = Devices(accelerator, count=ranks // tensor, tensor=tensor, sharded=isinstance(strategy, Sharded))
    if dry_run:
        weights_fingerprint(run.config["model"])  # of a run that is not finished there is none
        priced = price(
            partial(sketch_model, model, run.config["model"], vocab_size=tokenizer.vocab_size),
            partial(objective, optimizer=optimizer, schedule=schedule, steps=1),
            data,
            tokenizer=tokenizer,
            budget=budget,
            compute=compute,
            devices=devices,
            seed=seed,
            prices=prices or {},
        )
        print(priced)
        return None
    torch.manual_seed(seed)
    network = model(vocab_size=tokenizer.vocab_size).train()
    check_tensor_parallel(network, tensor, key=TENSOR)
    data.open(tokenizer=tokenizer, context=network.context)
    if show:
        data.show(show)
        return None
    began, job = perf_counter(), run.job.ljust(11)
    cost = model_cost(network)
    parameters = cost.parameters
    settled = budget.plan(
        context=network.context,
        devices=devices.count,
        rows=data.rows,
        parameters=parameters,
    )
    module = objective(model=network, optimizer=optimizer, schedule=schedule, steps=settled.steps, kinds=data.kinds)
    data.arrange(settled, seed=seed)
    inputs = {"data": data.fingerprint(), "tokenizer": tokenizer.fingerprint}
    inputs |= weights_fingerprint(run.config["model"])
    if run.finished(inputs):
        print(f"{job} nothing to do: {run.directory} is complete")
        return run.result.get("validation/bits_per_byte")

    templates = record_template(run.directory, data.template)
    if is_first_process():  # the others may be ahead of it, and what lies in a directory without books is refused
        tokenizer.save(run.directory / "tokenizer.json")
        write_architecture(run.directory, architecture(run.config["model"], vocab_size=tokenizer.vocab_size))
    if compute.activation_checkpointing:
        recompute_activations(network)
    if compute.compile:
        for block in network.blocks:
            # names in checkpoints stay; self.log and what gathers weights stay out of the graph
            block.forward = torch.compile(block.forward)
    precision = compute.resolve_precision(accelerator, parameters)
    # A checkpoint means that all that belongs to its step is done: what is not yet logged then is lost to a kill.
    saving_last = sorted(callbacks.values(), key=lambda callback: isinstance(callback, Checkpoints))
    if precision == "64-true":
        network.double()  # Lightning would, but only after it has loaded a checkpoint into 32 bits
    interruption = Interruption()
    export_slurm_tasks_per_node()
    trainer = trainer(
        **settings_of(settled, validations if data.validation else 0),
        precision=precision,
        callbacks=[
            RankConsistency(inputs),
            RandomState(seed),
            StepCounters(),
            FinalValidation(),
            *saving_last,
            interruption,
        ],
        logger=[make(save_dir=str(run.directory)) for make in logger.values()],
        default_root_dir=str(run.directory),
        plugins=[AtomicCheckpointIO()],
    )
    check_ranks(trainer, planned=ranks)
    install_rank_supervisor(trainer)
    wait_for_first(trainer, module)
    last = checkpoint_path(run.directory, "last")
    resumed = last if last.exists() and not run.restart else None  # the first rank removes it, at its own time
    if trainer.is_global_zero:
        print(
            f"{job} {parameters / 1e6:.2f} M parameters{_trained(cost)}, {settled.steps} steps of "
            f"{settled.rows_per_step * settled.context} tokens, {_times(data, settled)}, {precision}, "
            f"{ranks} × {accelerator} ({strategy_name(trainer.strategy)}), {threads} threads"
            + (f", going on from {last}" if resumed else "")
        )
        marks = _random_marks(network, data.template, tokenizer, begun=run.config["model"].get("path"))
        for line in [*data.planned(), *marks]:
            print(f"{job} {line}")
    with interruption.caught():
        trainer.fit(module, datamodule=data, ckpt_path=resumed, weights_only=True)
    if not any(isinstance(callback, Checkpoints) for callback in callbacks.values()):
        save(trainer, "last")  # nobody else has, or only as of an interruption
    if not trainer.is_global_zero:
        return module.validation.get("validation/bits_per_byte")
    seconds = perf_counter() - began
    # fewer than planned where a callback stopped it
    tokens = trainer.global_step * settled.rows_per_step * settled.context
    guards = [callback for callback in callbacks.values() if isinstance(callback, NonFiniteGuard | LossSpikeGuard)]
    left_out = sorted(steps for guard in guards for steps in guard.without_effect)  # read all the same
    read = data.account(trainer.global_step) | ({"steps_without_effect": left_out} if left_out else {})
    sizes = {"parameters": parameters, "trained": cost.trained}
    result = {**module.validation, **sizes, "tokens": tokens, "seconds": seconds, **read}
    made = [run.directory / part for part in ("checkpoints", ARCHITECTURE, "tokenizer.json")]
    outputs = [*made, *templates]
    run.finish(outputs=outputs, result=result)
    measured = ", ".join(
        f"{value:.3f} {name.removeprefix('validation/').replace('_', ' ')}"
        for name, value in module.validation.items()
        if name.startswith("validation/bits_per_byte")
    )
    print(f"{job} {measured or 'done'} in {seconds:.0f} s → {run.directory}")
    if interruption.received:  # after the last step: this run is complete, but nothing is to follow it
        raise Interrupted(interruption.received, f"{run.directory} is complete")
    return module.validation.get("validation/bits_per_byte")


def _trained(cost: Cost) -> str:
    """How many weights train, where not all do."""
    few = cost.trained < cost.parameters
    return f", {scaled(cost.trained)} ({cost.trained / cost.parameters:.2%}) of them trained" if few else ""


def _random_marks(model: Transformer, template: Template | None, tokenizer: Tokenizer, begun: str | None) -> list[str]:
    """A word on marks of turns that the model `begun` from never read, where nothing makes them more than random."""
    if template is None or begun is None or model.embedding.weight.requires_grad or was_taught(begun):
        return []
    if template.stop_tokens(tokenizer)[0] == tokenizer.end_of_document:  # which it did read
        return []
    return [
        "note: the embedding stays as it is, so the marks of turns, which this model has never read, stay random: "
        "model.adapter.whole=[embedding] trains it beside an adapter; without one take it out of model.freeze"
    ]


def _times(data: RowDataModule, plan: Plan) -> str:
    """How often each source is read."""
    epochs = data.order.epochs(plan.steps * plan.rows_per_step)
    told = (f"{count:.{0 if count >= 10 else 2}f} × {name}" for name, count in zip(data.sources, epochs, strict=True))
    return " and ".join(told)
