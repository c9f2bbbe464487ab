"""What a run is made of before its data are read: one value that is checked, estimated, timed and built."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from lightning import Trainer

from lm.checkpoint.architecture import check_loadable
from lm.checkpoint.lineage import check_tokenizer
from lm.hardware import Compute
from lm.model import GrownModel, ModelSource, Transformer, model_source
from lm.model.recompute import recompute_activations
from lm.objective import Objective
from lm.optimizer import check_optimizer
from lm.parallel.sharding import check_tensor_parallel
from lm.parallel.strategy import TENSOR
from lm.progress import Console
from lm.tokenizer import Tokenizer, load_tokenizer, with_turn_tokens
from lm.training.footprint import Footprint, estimate_footprint, per_device
from lm.training.trainer import Devices, resolve_devices


@dataclass(frozen=True)
class Setup:
    """The parts of a run that fit together.

    Attributes:
        source: Where the network comes from.
        tokenizer: Tokenizer of the data.
        objective: Factory of the objective; called with `model`, `steps` and, for a run, `kinds`.
        compute: Precision, threads, compilation and recomputation.
        trainer: Factory of the trainer, with the settings of execution.
        devices: The devices that `trainer` names.
    """

    source: ModelSource
    tokenizer: Tokenizer
    objective: Callable[..., Objective]
    compute: Compute
    trainer: Callable[..., Trainer]
    devices: Devices

    def build(self) -> Transformer:
        """Build the network with its weights, in training mode."""
        return self._checked(self.source.build(vocab_size=self.tokenizer.vocab_size).train())

    def outline(self) -> Transformer:
        """Build the network on the meta device, to count and to estimate."""
        with torch.device("meta"):
            return self._checked(self.source.outline(vocab_size=self.tokenizer.vocab_size))

    def precision(self, parameters: int) -> str:
        """Return Lightning's name of the precision that a model of `parameters` is trained in."""
        return self.compute.resolve_precision(self.devices.accelerator, parameters)

    def prepare(self, network: Transformer, *, parameters: int) -> str:
        """Apply recomputation, compilation and fp64 to the network in place, and return the precision."""
        if self.compute.activation_checkpointing:
            recompute_activations(network)
        if self.compute.compile:
            for block in network.blocks:
                # The names in checkpoints stay; self.log and what gathers weights stay outside the graph.
                block.forward = torch.compile(block.forward)
        precision = self.precision(parameters)
        if precision == "64-true":
            network.double()  # Lightning would, but only after it has loaded a checkpoint into 32 bits
        return precision

    def footprint(
        self, *, rows: int, row_tokens: int, targets: int, separate_documents: bool, accumulate: int, precision: str
    ) -> Footprint:
        """Estimate the memory of one device in an optimizer step.

        Args:
            rows: Rows of a micro-batch.
            row_tokens: Tokens of each, padding included.
            targets: Supervised targets of a micro-batch.
            separate_documents: Whether documents in a row are masked from each other.
            accumulate: Micro-batches of the step.
            precision: Lightning's name of the precision.
        """

        def build() -> Transformer:
            network = self.source.outline(vocab_size=self.tokenizer.vocab_size)
            if self.compute.activation_checkpointing:
                recompute_activations(network)
            return network

        whole = estimate_footprint(
            build,
            partial(self.objective, steps=1),
            rows=rows,
            row_tokens=row_tokens,
            targets=targets,
            separate_documents=separate_documents,
            accumulate=accumulate,
            precision=precision,
        )
        return per_device(whole, self.devices)

    def _checked(self, network: Transformer) -> Transformer:
        check_tensor_parallel(network, self.devices.tensor, key=TENSOR)
        return network


def resolve_setup(
    model: ModelSource | Callable[..., Transformer],
    tokenizer: Tokenizer,
    objective: Callable[..., Objective],
    *,
    optimizer: Callable[..., torch.optim.Optimizer],
    schedule: Callable[..., float],
    compute: Compute,
    trainer: Callable[..., Trainer],
) -> Setup:
    """Return the parts of a run that fit together; nothing is read but the config of a run that is continued.

    Args:
        model: Where the network comes from.
        tokenizer: Tokenizer of the data.
        objective: Factory of the objective.
        optimizer: Factory of the optimizer, given to the objective.
        schedule: Factor of the learning rate, given to the objective.
        compute: Precision, threads, compilation and recomputation.
        trainer: Factory of the trainer.

    Raises:
        ValueError: The devices do not exist; the tokenizer is not that of the model; the optimizer cannot train a
            model; or no later job could load the model.
    """
    source, devices = model_source(model), resolve_devices(trainer, compute)
    _check_kept(tokenizer)
    source = _with_turn_tokens(source, tokenizer)
    check_optimizer(optimizer)
    check_loadable(source.describe(vocab_size=tokenizer.vocab_size))
    module_of = partial(objective, optimizer=optimizer, schedule=schedule)
    return Setup(source, tokenizer, module_of, compute, trainer, devices)


def _with_turn_tokens(source: ModelSource, tokenizer: Tokenizer) -> ModelSource:
    """Return the source of a model that reads with `tokenizer`; its embedding grows where turn tokens were added.

    Raises:
        ValueError: The tokenizer is not that of the model.
    """
    if source.origin is not None and tokenizer.roles.added:
        own = load_tokenizer(source.origin)
        grown = with_turn_tokens(own).fingerprint == tokenizer.fingerprint != own.fingerprint
        if grown:
            added = [name for name in tokenizer.roles.added if name not in own.special_tokens]
            Console("tokenizer").line(
                f"{source.origin} has no turn tokens: added {', '.join(added)}, whose embeddings begin as the mean of "
                "the others; tokenizer.turn_tokens=false adds none, for a template without them, such as alpaca"
            )
            fresh = [tokenizer.special_tokens[name] for name in added]
            return GrownModel(source, vocab_size=own.vocab_size, fresh=fresh)
    check_tokenizer(source.origin, tokenizer)
    return source


def _check_kept(tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer that no later job would have: they read tokenizer.json, which says nothing of a class."""
    if type(tokenizer) is not Tokenizer:
        made = f"{type(tokenizer).__module__}.{type(tokenizer).__qualname__}"
        raise ValueError(
            f"tokenizer._target_ makes a {made}, which no later job could load: they read the run's tokenizer.json as "
            "an lm.tokenizer.Tokenizer; write such a file, and set tokenizer.path to it"
        )
    tokenizer.check_lossless("training")
