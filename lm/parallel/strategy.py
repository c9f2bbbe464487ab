"""Lightning's strategy for models that one device cannot hold: FSDP2, tensor parallelism, or both.

Lightning launches the ranks and arranges them as a mesh; `lm.parallel.sharding` says what is sharded, and how. This
module validates sizes, and writes checkpoints that any number of ranks and any strategy can read.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ModelParallelStrategy
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
from lm.checkpoint.files import report_checkpoint_damage
from lm.checkpoint.sharded import (
    check_parts,
    is_parts,
    join_tensors,
    read_into,
    read_rest,
    split_tensors,
    write_parts,
)
from lm.hardware import Compute
from lm.model import Transformer
from lm.parallel.placement import Placement
from lm.parallel.sharding import is_parallel, parallelize

TENSOR = "trainer.strategy.tensor_parallel_size"


class Sharded(ModelParallelStrategy, Placement):
    """Shard weights, gradients and optimizer state over all ranks (FSDP2), and matrices over some (tensor parallelism).

    Every rank builds the whole model in host memory before it keeps its shard, so that a seed gives the same weights as
    in one process; a device holds at most one block of the whole model at a time. Memory per device is about
    1 / ranks of weights, gradients and optimizer state, plus the activations of its rows.

    Args:
        tensor_parallel_size: Ranks that work on the same rows, each with a part of every matrix; the others read rows
            of their own. A divisor of the ranks, of heads, key_value_heads and the feedforward's hidden. Such ranks
            exchange activations twice a block and pass, so keep them on one machine.
        reshard_after_forward: Free a block's gathered weights after its forward pass and gather them again for its
            backward pass: a third more traffic, for at most one whole block in memory.
        cpu_offload: Keep weights, gradients and optimizer state in host memory: slow, for models that fit nowhere else.
        distributed_checkpoints: Each rank writes its shard of a checkpoint; false gathers all on rank 0 into the same
            single file as in one process. Both load anywhere; `lm consolidate` turns the first into the second.
    """

    is_sharded = True

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
        self._outline: nn.Module | None = None  # the whole model on the meta device

    @property
    def tensor_parallel_size(self) -> int:
        return self._tensor_parallel_size

    @property
    def description(self) -> str:
        size = self.tensor_parallel_size
        return f"FSDP2, {size} tensor-parallel" if size > 1 else "FSDP2"

    def check(self, *, ranks: int, compute: Compute) -> None:
        size = self.tensor_parallel_size
        if ranks % size:
            raise ValueError(f"{TENSOR}={size} does not divide {ranks} ranks: set it, or trainer.devices, to fit")
        if compute.compile and size > 1:
            raise ValueError(
                f"compute.compile=true and {TENSOR}={size}: torch cannot compile that yet; set one to false, or 1"
            )
        if compute.precision == "64-true":
            raise ValueError("compute.precision=64-true: Lightning does not shard in it; use trainer=ddp, or 32-true")

    def setup_environment(self) -> None:
        self._data_parallel_size = self.world_size // self.tensor_parallel_size
        super().setup_environment()

    def shard(self, model: Transformer) -> None:
        if is_parallel(model):
            return
        self._outline = _on_meta(model)
        half = self.precision_plugin.precision in ("bf16-mixed", "bf16-true")
        parallelize(
            model,
            self.device_mesh,
            reshard_after_forward=self.reshard_after_forward,
            cpu_offload=self.cpu_offload,
            parameters_in=torch.bfloat16 if half else None,
        )

    def model_to_device(self) -> None:
        """Move nothing if weights stay on the host."""
        if not self.cpu_offload:
            super().model_to_device()

    def _get_process_group_backend(self) -> str:
        # Offloaded tensors are exchanged from the host too: gradient norms, checkpoints.
        both = self.cpu_offload and self.root_device.type == "cuda"
        return "cpu:gloo,cuda:nccl" if both else super()._get_process_group_backend()

    def teardown(self) -> None:
        """End as every other strategy of Lightning ends: with the checkpoint that is being written on disk."""
        super().teardown()
        self.checkpoint_io.teardown()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return all weights on rank 0 and nothing on others, which take part; or each rank's shards."""
        return get_model_state_dict(self.model, options=self._options)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return torch's own `state_dict`, on rank 0, or on every rank with its shards.

        Lightning numbers parameters by their position in the model, torch by their position in the optimizer's groups:
        a checkpoint of one, read by the other, would swap the moments of parameters.
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
        """Read this rank's shard, from a single or a distributed checkpoint of any number of ranks."""
        options = StateDictOptions(full_state_dict=not is_parts(checkpoint_path), cpu_offload=True)
        if is_parts(checkpoint_path):
            with report_checkpoint_damage(checkpoint_path):
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
                own |= {key: value for key, value in group.items() if key != "params"}  # tuples are read back as lists
        return checkpoint

    @property
    def _options(self) -> StateDictOptions:
        return StateDictOptions(full_state_dict=not self.distributed_checkpoints, cpu_offload=True)

    def whole_model(self) -> nn.Module | None:
        model = self.lightning_module.model
        state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        if not self.is_global_zero:
            return None
        whole = copy.deepcopy(self._outline)
        whole.load_state_dict(state, assign=True)
        return whole.to(self.root_device)

    def _named(self, state: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
        """Return torch's `state_dict` of an optimizer, with parameters by name instead of number."""
        names = {weight: name for name, weight in self.model.named_parameters()}
        groups, named = [], {}
        for group, own in zip(state["param_groups"], optimizer.param_groups, strict=True):
            own_names = [names[weight] for weight in own["params"]]
            named |= dict(zip(group["params"], own_names, strict=True))
            groups.append({**group, "params": own_names})
        return {"state": {named[number]: value for number, value in state["state"].items()}, "param_groups": groups}


def numbered(state: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an optimizer state keyed by parameter name to torch's `state_dict`, keyed by position in the groups."""
    groups, numbers = [], {}
    for group in state["param_groups"]:
        places = range(len(numbers), len(numbers) + len(group["params"]))
        numbers |= dict(zip(group["params"], places, strict=True))
        groups.append({**group, "params": [*places]})
    return {"state": {numbers[name]: value for name, value in state["state"].items()}, "param_groups": groups}


def _on_meta(model: nn.Module) -> nn.Module:
    """Copy the model to the meta device, without ever holding the weights twice."""
    empty = {id(buffer): buffer.to("meta") for buffer in model.buffers()}
    for weight in model.parameters():
        empty[id(weight)] = nn.Parameter(weight.detach().to("meta"), requires_grad=weight.requires_grad)
    outline = copy.deepcopy(model, empty)  # deepcopy takes what it finds in its memo
    for module in outline.modules():
        vars(module).pop("forward", None)  # a compiled forward would be that of the model itself
    return outline
