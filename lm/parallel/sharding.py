"""How a transformer is sharded: matrices by tensor parallelism, stored weights by FSDP2.

The model does not know about it. Tensor parallelism (Shoeybi et al. 2019, arXiv:1909.08053) splits each matrix among
ranks that work on the same rows: a matrix that reads the residual stream by columns, so that each rank has some heads
and some hidden features; a matrix that writes to it by rows, whose partial results are summed. The embedding table,
usually the largest matrix, is split by vocabulary, for reading and for scoring (`lm.objective.loss`); norms are small,
and every rank holds them whole. FSDP2 (Zhao et al. 2023, arXiv:2304.11277) then stores one shard of every parameter on
each rank, and gathers a block when it is needed. Sequence and context parallelism are not supported.
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
from lm.model.experts import Router


def check_tensor_parallel(model: Transformer, ranks: int, *, key: str) -> None:
    """Raise ValueError if a matrix of `model` cannot be split among that many ranks, which the config sets at `key`."""
    for block in model.blocks if ranks > 1 else ():
        counts = {
            "model.attention.heads": block.attention.heads,
            "model.attention.key_value_heads": block.attention.key_value_heads,
        }
        for path, writer in _writers(block):
            if path != "attention":
                counts["model.feedforward.hidden"] = block.get_submodule(f"{path}.{writer}").in_features
        if block.attention.norm_across_heads:
            raise ValueError(
                f"{key}={ranks}: model.attention.norm_across_heads normalises heads together that ranks hold apart: "
                f"set {key} to 1"
            )
        for name, count in counts.items():
            if count % ranks:
                fitting = [n for n in range(1, ranks) if all(each % n == 0 for each in counts.values())]
                raise ValueError(
                    f"{key}={ranks}: {name} {count} cannot be split over {ranks} ranks: make it a multiple of "
                    f"{ranks}, or set {key} to {fitting[-1]}"
                )
    if -(-model.vocab_size // ranks) * (ranks - 1) >= model.vocab_size:
        raise ValueError(f"{key}={ranks}: a vocabulary of {model.vocab_size} leaves ranks without a part: set it lower")


def is_parallel(model: nn.Module) -> bool:
    """Return True if the weights of `model` are sharded."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def parallelize(
    model: Transformer,
    mesh: DeviceMesh,
    *,
    reshard_after_forward: bool,
    cpu_offload: bool,
    parameters_in: torch.dtype | None,
) -> None:
    """Shard `model` in place over a mesh; a sharded model stays as it is.

    Args:
        model: The whole model, the same on every rank.
        mesh: Ranks in dimensions named `data_parallel` and `tensor_parallel`.
        reshard_after_forward: Free a block's gathered weights after its forward pass and gather them again for its
            backward pass: a third more traffic, for at most one whole block in memory.
        cpu_offload: Keep weights, gradients and optimizer state in host memory.
        parameters_in: Type in which weights are gathered and multiplied; None for the stored type. Gradients are summed
            over ranks in fp32 at least.
    """
    if is_parallel(model):
        return
    data, tensor = mesh["data_parallel"], mesh["tensor_parallel"]
    if tensor.size() > 1:
        _split_matrices(model, tensor)
    if data.size() == 1 and tensor.size() > 1 and not cpu_offload:
        return  # every weight is placed
    settings = {
        "mesh": data,
        # Inputs keep their type: the residual stream stays in fp32 under autocast, as in one process.
        "mp_policy": MixedPrecisionPolicy(parameters_in, torch.float32, cast_forward_inputs=False)
        if parameters_in
        else MixedPrecisionPolicy(),
        "offload_policy": CPUOffloadPolicy(pin_memory=data.device_type != "cpu") if cpu_offload else OffloadPolicy(),
    }
    for block in model.blocks:
        fully_shard(block, reshard_after_forward=reshard_after_forward, **settings)
    # The root holds the embedding table, which the loss needs after the forward pass.
    fully_shard(model, reshard_after_forward=False, **settings)
    register_forward(model, "hidden")


def _split_matrices(model: Transformer, mesh: DeviceMesh) -> None:
    for block in model.blocks:
        parallelize_module(block, mesh, dict(_block_plan(block)))
    plan: dict[str, ParallelStyle] = {
        "embedding": RowwiseParallel(input_layouts=Replicate(), output_layouts=Replicate()),
        "norm": _Whole(Replicate()),
    }
    if model.position_embedding is not None:
        plan["position_embedding"] = _Whole(Replicate())
    if model.ngrams is not None:
        plan["ngrams"] = _Whole(Replicate())
    if model.output is not None:
        plan["output"] = ColwiseParallel()  # by its rows, each of which scores a token
    parallelize_module(model, mesh, plan)


def _block_plan(block: Block) -> Iterator[tuple[str, ParallelStyle]]:
    """Yield a style for every part of a block that has weights.

    In every block attention writes by `output` and feedforward by `down`; their other matrices read. The gradients of
    the readers are summed before they are exchanged, since their common input is prepared once.
    """
    for name, _ in block.named_children():
        if name.endswith("_norm"):
            yield name, _Whole(Replicate())
    for part, writer in _writers(block):
        yield part, PrepareModuleInput(input_layouts=Replicate(), desired_input_layouts=Replicate())
        for name, module in block.get_submodule(part).named_children():
            if isinstance(module, nn.Linear):
                yield f"{part}.{name}", RowwiseParallel() if name == writer else ColwiseParallel()
            elif any(True for _ in module.parameters()):
                yield f"{part}.{name}", _Whole(Shard(2))  # normalises queries or keys, B T H E: a rank has some heads
    for name, module in block.feedforward.named_modules():
        if isinstance(module, Router):  # every rank sends each token to the same experts, of which it has a part
            yield f"feedforward.{name}", _Whole(Replicate())


def _writers(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each part of a block that is split, and its matrix that writes: attention, feedforward or every expert."""
    yield "attention", "output"
    for name, module in block.feedforward.named_modules(prefix="feedforward"):
        if "down" in dict(module.named_children()):
            yield name, "down"


class _Whole(ParallelStyle):
    """Every rank holds all weights of a module. Where its inputs are partial, so are its weights' gradients."""

    def __init__(self, layout: Placement):
        super().__init__()
        self.layout = layout

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        def enter(module: nn.Module, inputs: tuple[Tensor, ...], mesh: DeviceMesh) -> tuple[DTensor, ...]:
            return tuple(DTensor.from_local(each, mesh, (self.layout,), run_check=False) for each in inputs)

        def leave(module: nn.Module, outputs: DTensor, mesh: DeviceMesh) -> Tensor:
            return outputs.to_local()

        return distribute_module(module, device_mesh, None, enter, leave)
