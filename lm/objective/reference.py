"""The reference of preference losses: the model before this training.

A run builds its network from the weights that it starts from, also where it resumes: the checkpoint is loaded later. So
the network that an objective is given is the reference, a tuned adapter that is continued included. Without dropout.

Legend: B rows  D documents a row
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import xxhash
from lightning import Trainer
from torch import Tensor, nn

from lm.batch import Batch
from lm.bounds import Count
from lm.files import atomic_path
from lm.objective.log_probabilities import document_log_probabilities
from lm.parallel.placement import Placement
from lm.process.ranks import data_share, is_first_process, sum_over_ranks
from lm.progress import Console

Numbers = Callable[[Batch], Tensor]  # batch → B D, by which each document is looked up; -1 for none


class Reference(ABC):
    """Log-probabilities of answers by the model before this training.

    Attributes:
        scores_any_text: Whether it knows the log-probabilities of texts that are not among the data.

    Args:
        model: The network with the weights that the run starts from, not yet trained or resumed.
    """

    scores_any_text: bool = False

    @abstractmethod
    def start(self, trainer: Trainer, model: nn.Module, numbers: Numbers) -> None:
        """Get ready, before a checkpoint is loaded and before weights are sharded. All ranks call it together.

        Args:
            trainer: The trainer of the run, whose data module gives the rows.
            model: The network with the weights that the run starts from.
            numbers: Numbers of a batch's documents.
        """

    @abstractmethod
    def place(self, placement: Placement) -> None:
        """Shard what the reference holds, as the strategy shards the network."""

    @abstractmethod
    def log_probabilities(self, batch: Batch, numbers: Tensor, *, held_out: bool) -> Tensor:
        """Return the log-probability of each document's supervised targets, B D, without gradients.

        Args:
            batch: Packed rows.
            numbers: Numbers of the documents, B D; -1 for none.
            held_out: Whether the rows are of the held-out set, which is numbered apart.
        """


def frozen_copy(model: nn.Module) -> nn.Module:
    """Return a frozen copy of a model, which shares the weights that do not train, as beside an adapter."""
    shared = {id(weight): weight for weight in model.parameters() if not weight.requires_grad}
    copied = {id(each): nn.Parameter(each.detach().clone()) for each in model.parameters() if each.requires_grad}
    return copy.deepcopy(model, copied | shared).eval().requires_grad_(False)


class FrozenReference(Reference):
    """A frozen copy of the weights that train, in memory; those that do not train are shared, as beside an adapter.

    One forward pass more per step. Model and reference compute alike, so the first DPO loss is ln 2 exactly.

    Args:
        model: The network with the weights that the run starts from.
    """

    scores_any_text = True

    def __init__(self, model: nn.Module):
        self._model = frozen_copy(model)
        self._shared = {id(weight) for weight in model.parameters() if not weight.requires_grad}
        self._started = False

    def start(self, trainer: Trainer, model: nn.Module, numbers: Numbers) -> None:
        self._model = trainer.precision_plugin.convert_module(self._model).to(trainer.strategy.root_device)
        self._started = True

    def place(self, placement: Placement) -> None:
        if not placement.is_sharded:
            return
        for module in self._model.modules():  # sharding replaces weights, each model its own
            for name, weight in [*module.named_parameters(recurse=False)]:
                if id(weight) in self._shared:
                    setattr(module, name, nn.Parameter(weight.detach().clone(), requires_grad=False))
        self._shared = set()
        placement.shard(self._model)

    @torch.no_grad()
    def log_probabilities(self, batch: Batch, numbers: Tensor, *, held_out: bool) -> Tensor:
        if not self._started:  # a step that is timed before the run
            self._model.to(batch.tokens.device)
        return document_log_probabilities(self._model, batch, documents=numbers.shape[1])[0]


class CachedReference(Reference):
    """Log-probabilities computed once before the first step and kept in the run directory, as `reference.pt`.

    Saves the memory of a second model, and its forward pass in every epoch. A resumed run reads the file; one that is
    missing, damaged, or of other weights or rows is computed again, with a note. The first DPO loss is ln 2 to
    rounding.

    Args:
        model: The network with the weights that the run starts from.
        rows: Rows that are read at once.
    """

    FILE = "reference.pt"

    def __init__(self, model: nn.Module, *, rows: Count = 8):
        self.rows = rows
        self._tables: Mapping[str, Tensor] = {}  # training, validation → log-probability by number, fp64

    def start(self, trainer: Trainer, model: nn.Module, numbers: Numbers) -> None:
        file, origin = Path(trainer.default_root_dir) / self.FILE, {}
        found = None
        if is_first_process():
            origin = {"model": _hash_weights(model), **self._hash_rows(trainer, numbers)}
            found = _read(file, origin)
        found = trainer.strategy.broadcast(found)
        if found is None:
            found = self._compute(trainer, model, numbers)
            if is_first_process():
                with atomic_path(file) as partial:
                    torch.save({"origin": origin, "log_probabilities": found}, partial)
        self._tables = {name: table.to(trainer.strategy.root_device) for name, table in found.items()}

    def place(self, placement: Placement) -> None:
        return None

    def log_probabilities(self, batch: Batch, numbers: Tensor, *, held_out: bool) -> Tensor:
        table = self._tables.get("validation" if held_out else "training")
        if table is None:  # before a run: a step that is estimated or timed
            return torch.zeros(numbers.shape, device=numbers.device)
        return table[numbers.clamp(min=0)]

    def _hash_rows(self, trainer: Trainer, numbers: Numbers) -> dict[str, str]:
        """What the log-probabilities are of: every token and mask, and so the data, the template and the context."""
        hashes = {}
        for name, batches in trainer.datamodule.every_row(self.rows).items():
            state = xxhash.xxh3_128()
            for batch in batches:
                for tensor in (numbers(batch), batch.tokens, batch.targets, batch.supervised, batch.documents):
                    state.update(repr(tuple(tensor.shape)).encode() + tensor.numpy().tobytes())
            hashes[name] = state.hexdigest()
        return hashes

    @torch.no_grad()
    def _compute(self, trainer: Trainer, model: nn.Module, numbers: Numbers) -> dict[str, Tensor]:
        device, tables = trainer.strategy.root_device, {}
        model = trainer.precision_plugin.convert_module(model).to(device)
        training, share = model.training, data_share(trainer)
        model.eval()
        for name, batches in trainer.datamodule.every_row(self.rows, share=share).items():
            known: list[tuple[Tensor, Tensor]] = []
            for batch in batches:
                batch = trainer.precision_plugin.convert_input(batch).to(device)
                here = numbers(batch)
                with trainer.precision_plugin.forward_context():
                    sums, _ = document_log_probabilities(model, batch, documents=here.shape[1])
                known.append((here[here >= 0].cpu(), sums[here >= 0].double().cpu()))
            tables[name] = _table(trainer, known)
        model.train(training)
        return tables


def _table(trainer: Trainer, known: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Join what the ranks know into one table by number."""
    size = max((int(numbers.max()) + 1 for numbers, _ in known if len(numbers)), default=0)
    if trainer.world_size > 1:
        size = int(trainer.strategy.reduce(torch.tensor(size, device=trainer.strategy.root_device), reduce_op="max"))
    table = torch.zeros(size, dtype=torch.float64)
    for numbers, sums in known:
        table[numbers] = sums
    return sum_over_ranks(trainer, table).cpu()


def _hash_weights(model: nn.Module) -> str:
    state = xxhash.xxh3_128()
    for name, value in sorted(model.state_dict().items()):
        state.update(name.encode() + value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def _read(file: Path, origin: Mapping[str, str]) -> Mapping[str, Tensor] | None:
    """The log-probabilities in a file; None if they have to be computed, with a note if there is a file."""
    if not file.exists():
        return None
    try:
        kept = torch.load(file, map_location="cpu", weights_only=True)
        if (there := kept["origin"]) == origin:
            return kept["log_probabilities"]
        other = [name for name in origin if there.get(name) != origin[name]]
        problem = f"is of other {' and '.join({'model': 'weights'}.get(name, f'{name} rows') for name in other)}"
    except Exception as error:
        problem = f"is damaged ({error})"
    Console("train").warn(f"note: {file} {problem}: the reference is computed again")
    return None
