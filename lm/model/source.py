"""Where a model comes from, as a value: what builds it, and what a run records about it."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lm.model.transformer import Transformer


class ModelSource(ABC):
    """Build a model, and describe it without building it.

    A source is also a factory: `source(vocab_size=…)` builds, so that a job which only builds a model accepts any
    `Callable[..., Transformer]`.
    """

    origin: Path | None = None  # the run directory that the weights come from

    def __call__(self, *, vocab_size: int) -> Transformer:
        return self.build(vocab_size=vocab_size)

    @abstractmethod
    def build(self, *, vocab_size: int) -> Transformer:
        """Build the model with its weights."""

    def unmerged(self, *, vocab_size: int) -> Transformer:
        """Build the model as it was trained: adapters, where there are some, beside the weights that they change."""
        return self.build(vocab_size=vocab_size)

    @abstractmethod
    def outline(self, *, vocab_size: int) -> Transformer:
        """Build the model without reading weights, to count and to estimate; it may be on the meta device."""

    @abstractmethod
    def describe(self, *, vocab_size: int) -> dict[str, Any]:
        """Return the architecture as plain data: the content of `model.json`."""

    def parent(self) -> dict[str, Any] | None:
        """Return what a manifest records of the run that the weights come from; None without one."""
        return None

    @abstractmethod
    def fingerprint(self) -> dict[str, str]:
        """Return what the model is read from, label → fingerprint, for a manifest; empty for a fresh model."""


class FreshModel(ModelSource):
    """A model with random weights.

    Args:
        factory: Builds the model, given `vocab_size`: a class or function of plain keywords and of factories, as
            `partial(Transformer, dim=64, attention=partial(Attention, heads=4), …)`, which is what a config builds.
    """

    def __init__(self, factory: Callable[..., Transformer]):
        self.factory = factory

    def build(self, *, vocab_size: int) -> Transformer:
        return self.factory(vocab_size=vocab_size)

    outline = build

    def describe(self, *, vocab_size: int) -> dict[str, Any]:
        node = {key: value for key, value in describe_factory(self.factory).items() if key != "_partial_"}
        return node | {"vocab_size": vocab_size}

    def fingerprint(self) -> dict[str, str]:
        return {}


def model_source(model: ModelSource | Callable[..., Transformer]) -> ModelSource:
    """Return `model`, or the source of fresh models that a factory is."""
    return model if isinstance(model, ModelSource) else FreshModel(model)


def describe_factory(value: Any) -> Any:
    """Return the config node that a factory was built from: the inverse of `lm.config.build.build`."""
    if isinstance(value, partial):
        keywords = {key: describe_factory(item) for key, item in value.keywords.items()}
        return {"_target_": public_name(value.func), "_partial_": True} | keywords
    if isinstance(value, dict):
        return {key: describe_factory(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe_factory(item) for item in value]
    if callable(value):
        return {"_target_": public_name(value), "_partial_": True}
    return value


def public_name(target: Callable[..., Any]) -> str:
    """Return the shortest dotted name that `target` can be imported by, as `lm.model.Attention`."""
    path = target.__module__.split(".")
    packages = (".".join(path[:end]) for end in range(1, len(path) + 1))
    public = (name for name in packages if getattr(sys.modules.get(name), target.__qualname__, None) is target)
    return f"{next(public, target.__module__)}.{target.__qualname__}"
