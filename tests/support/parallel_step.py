"""One rank that computes fp64 gradients of a sharded model, for the tests of `lm.parallel.sharding`."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from lm.model import (
    Attention,
    CentredRMSNorm,
    Experts,
    GeGLU,
    HashedNgrams,
    LearnedPositions,
    ReLUSquared,
    Rotary,
    SandwichBlock,
    SwiGLU,
    Transformer,
)
from lm.model.experts import recorded_routing, sparse_layers
from lm.objective.balance import Usage
from lm.objective.gradient_norm import clip_gradients
from lm.objective.loss import summed_cross_entropy, target_losses
from lm.parallel.sharding import parallelize

CONTEXT, ROWS, VOCABULARY = 6, 4, 31  # a vocabulary that no number of ranks divides


def sparse(dim: int, *, hidden: int) -> Experts:
    """More experts than the tokens of a rank can fill, and one that all tokens pass."""
    expert = partial(SwiGLU, hidden=hidden)
    return Experts(dim, expert=expert, experts=9, top=2, shared=expert)


WINDOWED = partial(Attention, heads=4, window=3, cap=5.0, query_key_norm=CentredRMSNorm)
MODELS = {
    "tied": (partial(Attention, heads=4, key_value_heads=2), SwiGLU, True),
    "untied, with biases": (partial(Attention, heads=4, bias=True), partial(SwiGLU, bias=True), False),
    "normed queries, no gate": (partial(Attention, heads=4, query_key_norm=True), ReLUSquared, True),
    "windows, caps and four norms": ([WINDOWED, partial(Attention, heads=4, output_bias=True)], GeGLU, True),
    "sparse experts": (partial(Attention, heads=4), sparse, False),
}
OTHERS = {
    "windows, caps and four norms": {
        "norm": CentredRMSNorm,
        "block": SandwichBlock,
        "position": [partial(Rotary, fraction=0.5), None],
        "position_embedding": LearnedPositions,
        "ngrams": partial(HashedNgrams, rows=30),
        "scale_embeddings": True,
        "logit_cap": 3.0,
    }
}
MESHES = {"data": (4, 1), "tensor": (1, 4), "both": (2, 2)}


def made(model: str) -> Transformer:
    attention, feedforward, tied = MODELS[model]
    torch.manual_seed(0)
    network = Transformer(
        vocab_size=VOCABULARY,
        context=CONTEXT,
        dim=16,
        layers=2,
        attention=attention,
        feedforward=partial(feedforward, hidden=24),
        tie_embeddings=tied,
        **OTHERS.get(model, {}),
    ).double()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return network


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    tokens, targets = torch.randint(VOCABULARY, (2, ROWS, CONTEXT))
    return tokens, targets, (torch.arange(CONTEXT) // 4).expand(ROWS, CONTEXT)


def step(network: Transformer, rows: slice, *, factor: float) -> dict[str, torch.Tensor]:
    """Return losses of `rows`, and gradients of their sum times `factor` over two micro-batches."""
    tokens, targets, documents = (each[rows] for each in batch())
    with torch.no_grad():
        hidden = network.hidden(tokens, documents=documents)
        losses = target_losses(hidden.flatten(0, 1), network.projection, targets.flatten(), chunk=5)
    half = max(1, len(tokens) // 2)
    for part in (slice(0, half), slice(half, None)):
        if len(tokens[part]):
            with recorded_routing(sparse_layers(network)) as routing:
                hidden = network.hidden(tokens[part], documents=documents[part])
            total = summed_cross_entropy(hidden.flatten(0, 1), network.projection, targets[part].flatten(), chunk=5)
            if routing:
                texts = torch.arange(len(hidden))[:, None] * 2 + documents[part]
                usage = Usage.of([passes[0] for passes in routing], texts, 2 * len(hidden))
                total = total + usage.balance_losses().sum() + usage.z_losses().sum()
            (total * factor).backward()
    found = {"losses": losses, "norm": clip_gradients(network.parameters(), 1.0)}
    for name, weight in network.named_parameters():
        gradient = weight.grad
        found[name] = gradient.full_tensor() if isinstance(gradient, DTensor) else gradient
    return found


def save_steps(directory: Path, environment: Mapping[str, str]) -> None:
    """Run as one rank of a group: every model on every mesh."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    ranks = dist.get_world_size()
    for name, (data, tensor) in MESHES.items():
        mesh = init_device_mesh("cpu", (data, tensor), mesh_dim_names=("data_parallel", "tensor_parallel"))
        rank = mesh["data_parallel"].get_local_rank()
        each = ROWS // data
        for model in MODELS:
            if tensor > 2 and model == "tied":
                continue  # has two key/value heads
            network = made(model)
            for _ in range(2):  # the second call changes nothing
                parallelize(network, mesh, reshard_after_forward=name != "data", cpu_offload=False, parameters_in=None)
            # The gathered weights equal those of one process.
            whole = {k: v.full_tensor() if isinstance(v, DTensor) else v for k, v in network.state_dict().items()}
            assert all(torch.equal(whole[k], v) for k, v in made(model).state_dict().items())
            held = sum(w.to_local().numel() if isinstance(w, DTensor) else w.numel() for w in network.parameters())
            found = step(network, slice(rank * each, (rank + 1) * each), factor=data)
            losses = [torch.empty_like(found["losses"]) for _ in range(ranks)]
            dist.all_gather(losses, found["losses"])
            found["losses"] = torch.cat([losses[i * tensor] for i in range(data)])
            found["held"] = torch.tensor(held)
            if dist.get_rank() == 0:
                torch.save(found, directory / f"{name}-{model}.pt")
    dist.barrier()
    dist.destroy_process_group()
