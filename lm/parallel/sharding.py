"""How a transformer is shared out over devices: its matrices by tensor parallelism, what is stored by FSDP2.

The model knows nothing of it. Tensor parallelism (Shoeybi et al. 2019, arXiv:1909.08053) cuts each matrix among ranks
that work on the same rows: what reads the residual stream by columns, so that a rank has some heads and some hidden
features of its own; what writes to it by rows, whose parts are summed. The table of embeddings, mostly the largest
matrix of all, is cut by vocabulary, for reading and for scoring (`lm.objective.loss`); norms are kept whole by every
rank, being small. FSDP2 (Zhao et al. 2023, arXiv:2304.11277) then stores of every parameter one share a rank, and
gathers a block when it is needed. Sequence and context parallelism are not supported.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard
from torch.distributed.fsdp import register_fsdp_forward_method as register_forward
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard, distribute_module
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    PrepareModuleInput,
    RowwiseParallel,
    parallelize_module,
)

from lm.model import Block, Transformer


def check_tensor_parallel(model: Transformer, ranks: int, *, key: str) -> None:
    """Raise where a matrix of `model` cannot be cut among that many ranks, which the config calls `key`."""
    for block in model.blocks if ranks > 1 else ():
        counts = {
            "model.attention.heads": block.attention.heads,
            "model.attention.key_value_heads": block.attention.key_value_heads,
            "model.feedforward.hidden": block.feedforward.down.in_features,
        }
        for name, count in counts.items():
            if count % ranks:
                fitting = [n for n in range(1, ranks) if all(each % n == 0 for each in counts.values())]
                raise ValueError(
                    f"{key}={ranks}: {name} {count} cannot be shared out over {ranks} ranks: make it a multiple of "
                    f"{ranks}, or set {key} to {fitting[-1]}"
                )
    if -(-model.vocab_size // ranks) * (ranks - 1) >= model.vocab_size:
        raise ValueError(f"{key}={ranks}: a vocabulary of {model.vocab_size} leaves ranks with nothing: set it lower")


def is_parallel(model: nn.Module) -> bool:
    """Whether the weights of `model` are shared out already."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def parallelize(
    model: Transformer,
    mesh: DeviceMesh,
    *,
    reshard_after_forward: bool,
    cpu_offload: bool,
    parameters_in: torch.dtype | None,
) -> None:
    """Share `model` out in its place over a mesh of `data_parallel` × `tensor_parallel`; once is enough.

    With `reshard_after_forward` a block's gathered weights are given back after its forward pass and gathered again
    for its backward: a third more traffic, for no more than one whole block in memory. `cpu_offload` keeps weights,
    gradients and optimizer in the memory of the host. `parameters_in` is what weights are gathered and computed with
    (None: as they are stored); gradients are summed over ranks in fp32 at least.
    """
    if is_parallel(model):
        return
    data, tensor = mesh["data_parallel"], mesh["tensor_parallel"]
    if tensor.size() > 1:
        _share_matrices(model, tensor)
    if data.size() == 1 and tensor.size() > 1 and not cpu_offload:
        return  # every weight has its place already
    settings = {
        "mesh": data,
        # what comes in keeps its type: the residual stream stays in fp32 under autocast, as in one process
        "mp_policy": MixedPrecisionPolicy(parameters_in, torch.float32, cast_forward_inputs=False)
        if parameters_in
        else MixedPrecisionPolicy(),
        "offload_policy": CPUOffloadPolicy(pin_memory=data.device_type != "cpu") if cpu_offload else OffloadPolicy(),
    }
    for block in model.blocks:
        fully_shard(block, reshard_after_forward=reshard_after_forward, **settings)
    # The root holds the table, which the loss needs after the forward pass: it stays gathered until the backward.
    fully_shard(model, reshard_after_forward=False, **settings)
    register_forward(model, "hidden")


def _share_matrices(model: Transformer, mesh: DeviceMesh) -> None:
    for block in model.blocks:
        parallelize_module(block, mesh, dict(_block_plan(block)))
    plan: dict[str, ParallelStyle] = {
        "embedding": RowwiseParallel(input_layouts=Replicate(), output_layouts=Replicate()),
        "norm": _Whole(Replicate()),
    }
    if model.output is not None:
        plan["output"] = ColwiseParallel()  # its rows, of which each scores a token
    parallelize_module(model, mesh, plan)


def _block_plan(block: Block) -> Iterator[tuple[str, ParallelStyle]]:
    """A style for every part of a block that has weights.

    Blocks promise that attention writes by `output` and feedforward by `down`; other matrices in them read. The
    gradients that these send back are summed before they are exchanged, since their input is prepared once.
    """
    for part, writer in (("attention", "output"), ("feedforward", "down")):
        yield f"{part}_norm", _Whole(Replicate())
        yield part, PrepareModuleInput(input_layouts=Replicate(), desired_input_layouts=Replicate())
        for name, module in getattr(block, part).named_children():
            if isinstance(module, nn.Linear):
                yield f"{part}.{name}", RowwiseParallel() if name == writer else ColwiseParallel()
            elif any(True for _ in module.parameters()):
                yield f"{part}.{name}", _Whole(Shard(2))  # queries or keys, B T H E: a rank has some heads


class _Whole(ParallelStyle):
    """Every rank holds all of a module's weights. Where its inputs are a part only, so are its weights' gradients."""

    def __init__(self, layout: Placement):
        super().__init__()
        self.layout = layout

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        def enter(module: nn.Module, inputs: tuple[Tensor, ...], mesh: DeviceMesh) -> tuple[DTensor, ...]:
            return tuple(DTensor.from_local(each, mesh, (self.layout,), run_check=False) for each in inputs)

        def leave(module: nn.Module, outputs: DTensor, mesh: DeviceMesh) -> Tensor:
            return outputs.to_local()

        return distribute_module(module, device_mesh, None, enter, leave)
