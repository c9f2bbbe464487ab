"""Lightning's strategy for models that one device does not hold: FSDP2, tensor parallelism, or both.

Lightning launches the ranks and lays them out as a mesh; `lm.parallel.sharding` says what is sharded, and how. This
module validates sizes, and makes checkpoints that any number of ranks and any strategy can read.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy, Strategy
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

from lm.bounds import Count
from lm.checkpoint.sharded import (
    GO_ON,
    check_parts,
    is_parts,
    join_tensors,
    read_into,
    read_rest,
    split_tensors,
    write_parts,
)
from lm.files import undamaged
from lm.hardware import Compute
from lm.model import Transformer
from lm.parallel.sharding import is_parallel, parallelize

TENSOR = "trainer.strategy.tensor_parallel_size"


class Sharded(ModelParallelStrategy):
    """Weights, gradients and optimizer shared out over all ranks.

    `tensor_parallel_size` ranks work on the same rows, each with a part of every matrix (keep them on one machine:
    they exchange activations twice a block and pass); the others read rows of their own. Every rank makes the whole
    model in the memory of its host before it keeps its share, so that a seed means the same weights as in one process;
    a device holds no more than a block of it at a time. Checkpoints are gathered by the first rank into the same single
    file as in one process; with `distributed_checkpoints` each rank writes its part. See `lm.parallel.sharding` for the
    other options.
    """

    def __init__(
        self,
        *,
        tensor_parallel_size: Count = 1,
        reshard_after_forward: bool = True,
        cpu_offload: bool = False,
        distributed_checkpoints: bool = False,
    ):
        super().__init__(tensor_parallel_size=tensor_parallel_size, save_distributed_checkpoint=distributed_checkpoints)
        self.reshard_after_forward, self.cpu_offload = reshard_after_forward, cpu_offload
        self.distributed_checkpoints = distributed_checkpoints
        self._outline: nn.Module | None = None  # the whole model without memory

    @property
    def tensor_parallel_size(self) -> int:
        return self._tensor_parallel_size

    def setup_environment(self) -> None:
        self._data_parallel_size = self.world_size // self.tensor_parallel_size
        super().setup_environment()

    def share_out(self, model: Transformer) -> None:
        """Share the model out in its place, unless it is."""
        if is_parallel(model):
            return
        self._outline = _without_memory(model)
        half = self.precision_plugin.precision in ("bf16-mixed", "bf16-true")
        parallelize(
            model,
            self.device_mesh,
            reshard_after_forward=self.reshard_after_forward,
            cpu_offload=self.cpu_offload,
            parameters_in=torch.bfloat16 if half else None,
        )

    def model_to_device(self) -> None:
        """Nothing where weights stay on the host; they are where they belong already."""
        if not self.cpu_offload:
            super().model_to_device()

    def _get_process_group_backend(self) -> str:
        # what is offloaded is exchanged from the host too: norms of gradients, checkpoints
        both = self.cpu_offload and self.root_device.type == "cuda"
        return "cpu:gloo,cuda:nccl" if both else super()._get_process_group_backend()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """All weights, on the first rank, and nothing on the others, which help; or this rank's parts on every rank."""
        return get_model_state_dict(self.model, options=self._options)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """As torch's own `state_dict`, on the first rank, or on every rank with its parts.

        Lightning numbers parameters by their place in the model, torch by their place in the optimizer's groups: a
        checkpoint of the one, read by the other, would give parameters each other's moments.
        """
        optimizer = optimizer._optimizer if isinstance(optimizer, LightningOptimizer) else optimizer
        state = get_optimizer_state_dict(self.model, optimizer, options=self._options)
        return numbered(state) if state else {}

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
    ) -> None:
        if not self.distributed_checkpoints:
            if self.is_global_zero:
                self.checkpoint_io.save_checkpoint(checkpoint, filepath, storage_options)
            return
        tensors, rest = split_tensors(checkpoint)
        name = self.broadcast(token_hex(4))
        write_parts(Path(filepath), tensors, rest, name=name, first=self.is_global_zero)

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Each rank reads its share, from a file or from parts, whoever wrote them."""
        options = StateDictOptions(full_state_dict=not is_parts(checkpoint_path), cpu_offload=True)
        if is_parts(checkpoint_path):
            with undamaged(checkpoint_path, GO_ON):
                check_parts(checkpoint_path)
                checkpoint = read_rest(checkpoint_path)
            sharded = {
                "state_dict": get_model_state_dict(self.model),
                "optimizer_states": [numbered(get_optimizer_state_dict(self.model, each)) for each in self.optimizers],
            }
            tensors, _ = split_tensors(sharded)
            read_into(checkpoint_path, tensors)
            join_tensors(checkpoint, tensors)
        else:
            checkpoint = self.checkpoint_io.load_checkpoint(checkpoint_path, weights_only=weights_only)
        set_model_state_dict(self.model, checkpoint["state_dict"], options=options)
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            set_optimizer_state_dict(self.model, optimizer, self._named(state, optimizer), options=options)
            for own, group in zip(optimizer.param_groups, state["param_groups"], strict=True):
                own |= {key: value for key, value in group.items() if key != "params"}  # pairs come back as lists
        return checkpoint

    @property
    def _options(self) -> StateDictOptions:
        return StateDictOptions(full_state_dict=not self.distributed_checkpoints, cpu_offload=True)

    def whole_model(self) -> nn.Module | None:
        """A copy of the model that is not shared out, on the first rank; None on the others, which must ask too."""
        model = self.lightning_module.model
        state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        if not self.is_global_zero:
            return None
        whole = copy.deepcopy(self._outline)
        whole.load_state_dict(state, assign=True)
        return whole.to(self.root_device)

    def _named(self, state: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
        """torch's `state_dict` of an optimizer, with parameters by name instead of number."""
        names = {weight: name for name, weight in self.model.named_parameters()}
        groups, named = [], {}
        for group, own in zip(state["param_groups"], optimizer.param_groups, strict=True):
            own_names = [names[weight] for weight in own["params"]]
            named |= dict(zip(group["params"], own_names, strict=True))
            groups.append({**group, "params": own_names})
        return {"state": {named[number]: value for number, value in state["state"].items()}, "param_groups": groups}


def numbered(state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's state by names of parameters, as torch's own `state_dict`, by their place in the groups."""
    groups, numbers = [], {}
    for group in state["param_groups"]:
        places = range(len(numbers), len(numbers) + len(group["params"]))
        numbers |= dict(zip(group["params"], places, strict=True))
        groups.append({**group, "params": [*places]})
    return {"state": {numbers[name]: value for name, value in state["state"].items()}, "param_groups": groups}


def share_out(strategy: Strategy, model: Transformer) -> None:
    """What a LightningModule does in `configure_model`: share the model out, if the strategy is one that does."""
    if isinstance(strategy, Sharded):
        strategy.share_out(model)


def whole_model(strategy: Strategy, module: LightningModule) -> nn.Module | None:
    """The model that `module` trains, on the first rank; None on the others, which must ask too."""
    if isinstance(strategy, Sharded):
        return strategy.whole_model()
    return module.model if strategy.is_global_zero else None


def tensor_parallel_size(strategy: Strategy | str) -> int:
    """Ranks that read the same rows."""
    return strategy.tensor_parallel_size if isinstance(strategy, Sharded) else 1


def refuse_misfits(strategy: Strategy | str, *, ranks: int, compute: Compute) -> None:
    """Raise where the strategy cannot be carried out by that many ranks, or not with what `compute` asks for."""
    if not isinstance(strategy, Sharded):
        return
    size = strategy.tensor_parallel_size
    if ranks % size:
        raise ValueError(f"{TENSOR}={size} does not divide {ranks} ranks: set it, or trainer.devices, to fit")
    if compute.compile and size > 1:
        raise ValueError(
            f"compute.compile=true and {TENSOR}={size}: torch cannot compile that yet; set one to false, or 1"
        )
    if compute.precision == "64-true":
        raise ValueError("compute.precision=64-true: Lightning does not shard in it; use trainer=ddp, or 32-true")


def strategy_name(strategy: Strategy) -> str:
    """What the strategy is called, for a line to the user."""
    if isinstance(strategy, Sharded):
        size = strategy.tensor_parallel_size
        return f"FSDP2, {size} tensor-parallel" if size > 1 else "FSDP2"
    known = {DDPStrategy: "DDP", SingleDeviceStrategy: "one process"}
    return known.get(type(strategy), type(strategy).__name__)


def _without_memory(model: nn.Module) -> nn.Module:
    """A copy on the meta device, which never holds the weights twice."""
    empty = {id(buffer): buffer.to("meta") for buffer in model.buffers()}
    for weight in model.parameters():
        empty[id(weight)] = nn.Parameter(weight.detach().to("meta"), requires_grad=weight.requires_grad)
    outline = copy.deepcopy(model, empty)  # what it finds there it does not copy
    for module in outline.modules():
        vars(module).pop("forward", None)  # a compiled one would be that of the model itself
    return outline
