"""Optimizers of torch.optim by name alone: the class is given the weights in groups, as `adamw` makes them."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer


def decay_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the trained weights with decay, and those without: norms, biases and embeddings."""
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decays = [p for p in trained if p.ndim >= 2 and id(p) not in embeddings]
    return decays, [p for p in trained if p.ndim < 2 or id(p) in embeddings]


def make_optimizer(factory: Callable[..., Optimizer], model: nn.Module, *, precision: str = "32-true") -> Optimizer:
    """Call the factory of an optimizer: a function with the model, a class with the weights.

    A class that takes `weight_decay` applies it to matrices only, as `adamw` does. A function that takes `precision`
    is given it, unless the config sets another.

    Args:
        factory: A function or a class of torch.optim, with some arguments or without.
        model: The model whose weights train.
        precision: Lightning's name of the precision of the run.
    """
    built = _class_of(factory)
    if built is None:
        chosen = factory.keywords if isinstance(factory, partial) else {}
        takes = "precision" in inspect.signature(factory).parameters and "precision" not in chosen
        return factory(model, precision=precision) if takes else factory(model)
    decays, keeps = decay_groups(model)
    without = {"weight_decay": 0.0} if "weight_decay" in inspect.signature(built).parameters else {}
    groups: list[dict[str, Any]] = [{"params": decays}, {"params": keeps, **without}]
    return factory([group for group in groups if group["params"]])


def check_optimizer(factory: Callable[..., Optimizer]) -> None:
    """Refuse a class that cannot train a model, by a step on a few weights.

    Raises:
        ValueError: Its step needs a closure, as that of LBFGS; it takes sparse gradients only, as SparseAdam, or
            matrices only, as Muon; or it refuses its arguments.
    """
    built = _class_of(factory)
    if built is None:
        return
    name = f"optimizer._target_={built.__module__}.{built.__qualname__}"
    remedy = "choose another, as torch.optim.AdamW, Adafactor or SGD"
    closure = inspect.signature(built.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise ValueError(f"{name}: its step computes the loss again, by a closure, which no batch here has; {remedy}")
    model = nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 2))
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    try:
        make_optimizer(factory, model).step()
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"{name} cannot train this model: {reason}; {remedy}") from error


def _class_of(factory: Callable[..., Optimizer]) -> type[Optimizer] | None:
    """The class that a factory is, with some arguments or without; None for a function."""
    built = factory.func if isinstance(factory, partial) else factory
    return built if isinstance(built, type) and issubclass(built, Optimizer) else None
